"""Scores with their uncertainty: clustered by prompt, stratified by category.

The overall score is the weighted sum of the category scores, as the benchmarks define it (GenEval: six equal weights;
WISE: each category's share of the prompts). A category's score is the mean over its samples.

A missing score is NaN, never 0. It is left out of means; :func:`bounds` says how much it could matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, Stratum, strata
from evalharness.analysis.stats.intervals import CONFIDENCE, Estimate, near_limit, none_of, unseen
from evalharness.analysis.stats.resampling import RESAMPLES, resampled_means

SAME = 1e-12
"""Means that differ by less are equal up to rounding."""
FEW = 10
"""If fewer prompts keep a category from being all right, or all wrong, its interval is not the bootstrap's."""
Limits = tuple[float, float] | None
"""The least and greatest possible value: scores 0 and 1, differences of scores -1 and 1; ``None``: unlimited."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The overall score, the score of each category, and the numbers of samples and prompts they rest on."""

    overall: Estimate
    categories: Mapping[str, Estimate]
    samples: int
    prompts: int


def category_means(values: npt.ArrayLike, categories: npt.ArrayLike, names: list[str]) -> Floats:
    """The mean of each named category over the values that are not NaN, (names,); NaN for a category without any.

    >>> category_means([1.0, 0.0, 1.0, float("nan")], ["a", "a", "b", "b"], ["a", "b", "c"])
    array([0.5, 1. , nan])
    """
    numbers, labels = np.asarray(values, dtype=float), np.asarray(categories)
    groups = [numbers[(labels == name) & ~np.isnan(numbers)] for name in names]
    return np.array([group.mean() if group.size else math.nan for group in groups])


def weighted(means: Floats, weights: Mapping[str, float]) -> Any:
    """Σ weight × mean over the last axis, (…, categories) → (…); a category of weight 0 may be NaN."""
    factors = np.array(list(weights.values()), dtype=float)
    return means[..., factors != 0] @ factors[factors != 0]


def estimate(
    values: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = CONFIDENCE,
    limits: Limits = (0.0, 1.0),
) -> Scores:
    """:func:`estimates` of a single column; ``values`` is (samples,)."""
    return estimates(values, items, categories, weights, seed=seed, resamples=resamples, level=level, limits=limits)[0]


def estimates(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = CONFIDENCE,
    limits: Limits = (0.0, 1.0),
) -> list[Scores]:
    """Category means, their weighted sum, and bootstrap intervals for all of them, for each column.

    On differences of arms, aligned by item and seed, this gives paired differences over the pairs that both have.

    An interval needs two prompts in each category that it covers, else it is NaN. It is the percentile interval (Efron
    & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13) unless all or nearly all prompts of a category
    are right, or wrong: then it is that of :func:`near_limit`, and the overall interval is widened by :func:`unseen`.

    Args:
        columns: (samples, columns), a column for each arm or difference of arms; NaN where a sample is missing.
        items: The prompt id of each sample.
        categories: The category of each sample.
        weights: Category → its weight in the overall score.
        seed: The seed of the bootstrap.
        resamples: The number of resamples.
        level: The confidence level.
        limits: The least and greatest possible value, (-1, 1) for differences of scores.
    """
    parts = list(strata(columns, items, categories, list(weights)))
    category_resamples = np.stack(
        [resampled_means(stratum, place, seed=seed, resamples=resamples) for place, stratum in enumerate(parts)],
        axis=-1,
    )
    means = np.stack([stratum.means for stratum in parts], axis=-1)
    variances = np.stack([stratum.variances for stratum in parts], axis=-1)
    overall = weighted(means, weights)
    errors = np.sqrt(weighted(variances, {name: weight**2 for name, weight in weights.items()}))
    drawn = np.concatenate([category_resamples, weighted(category_resamples, weights)[:, :, None]], axis=-1)
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0, overwrite_input=True)
    scores = []
    for column in range(means.shape[0]):
        by_category = {
            stratum.name: _category(stratum, column, ends[:, column, place], level, limits)
            for place, stratum in enumerate(parts)
        }
        prompts = sum(estimate.prompts for estimate in by_category.values())
        samples = sum(estimate.samples for estimate in by_category.values())
        total = _between(float(overall[column]), ends[:, column, -1])
        total = _widened(total, parts, column, weights, level, limits)
        total = replace(total, se=float(errors[column]), prompts=prompts, samples=samples)
        scores.append(Scores(total, by_category, samples, prompts))
    return scores


def bounds(values: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float]) -> tuple[float, float]:
    """The overall score if all missing (NaN) samples were wrong, and if all were right.

    >>> bounds([1.0, float("nan")], ["a", "a"], {"a": 1.0})
    (0.5, 1.0)
    """
    numbers = np.asarray(values, dtype=float)
    ends = []
    for filler in (0.0, 1.0):
        means = category_means(np.nan_to_num(numbers, nan=filler), categories, list(weights))
        ends.append(float(weighted(np.nan_to_num(means, nan=filler), weights)))
    return ends[0], ends[1]


def _prompt_means(stratum: Stratum, column: int) -> Floats:
    present = stratum.counts[:, column] > 0
    means: Floats = stratum.sums[present, column] / stratum.counts[present, column]
    return means


def _agreeing(stratum: Stratum, column: int) -> bool:
    """Whether all prompts, at least two, have the same mean."""
    means = _prompt_means(stratum, column)
    return len(means) > 1 and float(np.ptp(means)) < SAME


def _between(value: float, ends: Floats) -> Estimate:
    """A value with an interval that contains it; if resamples hardly differ, rounding could leave it outside."""
    if math.isnan(value) or np.isnan(ends).any():
        return Estimate(value)
    return Estimate(value, min(float(ends[0]), value), max(float(ends[1]), value))


def _off_limit(stratum: Stratum, column: int, limits: tuple[float, float]) -> int | None:
    """The number of prompts that are not at the limit, if nearly all are; ``None`` if many are not."""
    means = _prompt_means(stratum, column)
    off = min(int((means < limits[1] - SAME).sum()), int((means > limits[0] + SAME).sum()))
    return off if len(means) > 1 and off < FEW and off <= len(means) / 2 else None


def _category(stratum: Stratum, column: int, ends: Floats, level: float, limits: Limits) -> Estimate:
    value, prompts = float(stratum.means[column]), int(stratum.prompts[column])
    samples, variance = int(stratum.counts[:, column].sum()), float(stratum.variances[column])
    if limits is not None and _agreeing(stratum, column):
        share = none_of(prompts, level)
        estimate = Estimate(value, value - share * (value - limits[0]), value + share * (limits[1] - value))
    elif limits is not None and (off := _off_limit(stratum, column, limits)) is not None:
        width = limits[1] - limits[0]
        share = (value - limits[0]) / width
        low, high = near_limit(share, variance / width**2, prompts, samples, off, level)
        estimate = Estimate(value, limits[0] + width * low, limits[0] + width * high)
    else:
        estimate = _between(value, ends)
    return replace(estimate, se=math.sqrt(variance), prompts=prompts, samples=samples)


def _widened(
    total: Estimate,
    parts: Sequence[Stratum],
    column: int,
    weights: Mapping[str, float],
    level: float,
    limits: Limits,
) -> Estimate:
    """The overall interval, widened for the categories in which all prompts agree.

    Distances to the ends add as squares (Zou & Donner, *Statistics in Medicine* 27, 2008).
    """
    if limits is None or math.isnan(total.low):
        return total
    agreeing = [stratum for stratum in parts if weights[stratum.name] and _agreeing(stratum, column)]
    if not agreeing:
        return total
    factors = np.array([weights[stratum.name] for stratum in agreeing])
    prompts = np.array([stratum.prompts[column] for stratum in agreeing])
    means = np.array([stratum.means[column] for stratum in agreeing])
    below = unseen(factors, prompts, means - limits[0], level)
    above = unseen(factors, prompts, limits[1] - means, level)
    low = total.value - math.hypot(total.value - total.low, below)
    return replace(total, low=low, high=total.value + math.hypot(total.high - total.value, above))
