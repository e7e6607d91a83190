"""Scores with their uncertainty: clustered by prompt, stratified by category.

The overall score is the weighted sum of the category scores, as the benchmarks define it (GenEval: six equal weights;
WISE: each category's share of the prompts), and a category's score is the mean over its samples.

A missing score is NaN and never 0: it is left out of a mean, and :func:`bounds` says how much it could matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, Stratum, strata
from evalharness.analysis.stats.intervals import LEVEL, Estimate, near_limit, none_of, unseen
from evalharness.analysis.stats.resampling import RESAMPLES, resampled_means

SAME = 1e-12
"""Means that differ by less are equal but for rounding."""
FEW = 10
"""With fewer prompts that keep a category from being all right, or all wrong, its interval is not the bootstrap's."""
Limits = tuple[float, float] | None
"""Between what values can be: scores 0 and 1, differences of scores -1 and 1; ``None``: no value is impossible."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The overall score, the score of each category, and how many samples and prompts they rest on."""

    overall: Estimate
    categories: Mapping[str, Estimate]
    samples: int
    prompts: int


def category_means(values: npt.ArrayLike, categories: npt.ArrayLike, names: list[str]) -> Floats:
    """The mean of each named category over the values that are there; NaN for a category without any.

    >>> category_means([1.0, 0.0, 1.0, float("nan")], ["a", "a", "b", "b"], ["a", "b", "c"])
    array([0.5, 1. , nan])
    """
    numbers, labels = np.asarray(values, dtype=float), np.asarray(categories)
    groups = [numbers[(labels == name) & ~np.isnan(numbers)] for name in names]
    return np.array([group.mean() if group.size else math.nan for group in groups])


def weighted(means: Floats, weights: Mapping[str, float]) -> Any:
    """Σ weight × mean over the last axis; a category of weight 0 does not matter, not even when it is NaN."""
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
    level: float = LEVEL,
    limits: Limits = (0.0, 1.0),
) -> Scores:
    """:func:`estimates` of one arm; ``values`` has one entry a sample."""
    given = {"seed": seed, "resamples": resamples, "level": level, "limits": limits}
    return estimates(values, items, categories, weights, **given)[0]  # type: ignore[arg-type]


def estimates(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    limits: Limits = (0.0, 1.0),
) -> list[Scores]:
    """Category means, their weighted sum, and bootstrap intervals for all of them, for each column.

    ``columns`` is (samples, columns), an arm each; ``items`` (prompt ids) and ``categories`` have one entry a sample; a
    NaN is a missing sample. The same function on differences of arms, aligned by item and seed, gives paired
    differences over the pairs that both have; their ``limits`` are (-1, 1). An interval needs two prompts in each
    category that it covers, else it is NaN. It is the percentile interval (Efron & Tibshirani, *An Introduction to the
    Bootstrap*, 1993, chapter 13), but where all or nearly all prompts of a category are right, or wrong: there it is
    that of :func:`near_limit`, and what :func:`unseen` cannot rule out widens the overall interval.
    """
    parts = list(strata(columns, items, categories, list(weights)))
    replicates = np.stack(
        [resampled_means(one, place, seed=seed, resamples=resamples) for place, one in enumerate(parts)], axis=-1
    )
    means = np.stack([one.means for one in parts], axis=-1)
    variances = np.stack([one.variances for one in parts], axis=-1)
    overall = weighted(means, weights)
    spread = np.sqrt(weighted(variances, {name: weight**2 for name, weight in weights.items()}))
    drawn = np.concatenate([replicates, weighted(replicates, weights)[:, :, None]], axis=-1)
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0, overwrite_input=True)
    found = []
    for column in range(means.shape[0]):
        single = [_category(one, column, ends[:, column, place], level, limits) for place, one in enumerate(parts)]
        total = _between(float(overall[column]), ends[:, column, -1])
        total = _widened(total, parts, column, weights, level, limits)
        prompts, samples = sum(one.prompts for one in single), sum(one.samples for one in single)
        total = replace(total, se=float(spread[column]), prompts=prompts, samples=samples)
        names = [one.name for one in parts]
        found.append(Scores(total, dict(zip(names, single, strict=True)), samples, prompts))
    return found


def bounds(values: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float]) -> tuple[float, float]:
    """The overall score if every missing (NaN) sample were wrong, and if every one were right.

    >>> bounds([1.0, float("nan")], ["a", "a"], {"a": 1.0})
    (0.5, 1.0)
    """
    numbers = np.asarray(values, dtype=float)
    ends = []
    for filler in (0.0, 1.0):
        means = category_means(np.nan_to_num(numbers, nan=filler), categories, list(weights))
        ends.append(float(weighted(np.nan_to_num(means, nan=filler), weights)))
    return ends[0], ends[1]


def _agreeing(one: Stratum, column: int) -> bool:
    """Whether all prompts, at least two, have the same mean."""
    there = one.counts[:, column] > 0
    means = one.sums[there, column] / one.counts[there, column]
    return len(means) > 1 and float(np.ptp(means)) < SAME


def _between(value: float, ends: Floats) -> Estimate:
    """With an interval that holds the value: where resamples hardly differ, rounding could leave it just outside."""
    if math.isnan(value) or np.isnan(ends).any():
        return Estimate(value)
    return Estimate(value, min(float(ends[0]), value), max(float(ends[1]), value))


def _off(one: Stratum, column: int, limits: tuple[float, float]) -> int | None:
    """How many prompts are not at the limit where nearly all are; None where many are not."""
    there = one.counts[:, column] > 0
    means = one.sums[there, column] / one.counts[there, column]
    off = min(int((means < limits[1] - SAME).sum()), int((means > limits[0] + SAME).sum()))
    return off if len(means) > 1 and off < FEW and off <= len(means) / 2 else None


def _category(one: Stratum, column: int, ends: Floats, level: float, limits: Limits) -> Estimate:
    value, prompts = float(one.means[column]), int(one.prompts[column])
    samples, variance = int(one.counts[:, column].sum()), float(one.variances[column])
    if limits is not None and _agreeing(one, column):
        share = none_of(prompts, level)
        found = Estimate(value, value - share * (value - limits[0]), value + share * (limits[1] - value))
    elif limits is not None and (off := _off(one, column, limits)) is not None:
        reach = limits[1] - limits[0]
        share = (value - limits[0]) / reach
        low, high = near_limit(share, variance / reach**2, prompts, samples, off, level)
        found = Estimate(value, limits[0] + reach * low, limits[0] + reach * high)
    else:
        found = _between(value, ends)
    return replace(found, se=math.sqrt(variance), prompts=prompts, samples=samples)


def _widened(
    total: Estimate,
    parts: Sequence[Stratum],
    column: int,
    weights: Mapping[str, float],
    level: float,
    limits: Limits,
) -> Estimate:
    """The overall interval with what the categories hide in which all prompts agree; distances add as squares (Zou &
    Donner, 2008)."""
    if limits is None or math.isnan(total.low):
        return total
    hidden = [one for one in parts if weights[one.name] and _agreeing(one, column)]
    if not hidden:
        return total
    factors = np.array([weights[one.name] for one in hidden])
    prompts = np.array([one.prompts[column] for one in hidden])
    means = np.array([one.means[column] for one in hidden])
    below = unseen(factors, prompts, means - limits[0], level)
    above = unseen(factors, prompts, limits[1] - means, level)
    low = total.value - math.hypot(total.value - total.low, below)
    return replace(total, low=low, high=total.value + math.hypot(total.high - total.value, above))
