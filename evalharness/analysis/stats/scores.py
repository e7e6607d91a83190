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

from evalharness.analysis.stats.clusters import Floats, Stratum, columns_of, strata
from evalharness.analysis.stats.effective_sizes import Spread, effective_sizes, spread
from evalharness.analysis.stats.intervals import CONFIDENCE, Estimate
from evalharness.analysis.stats.score_limits import Observed, score_limits

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
    level: float = CONFIDENCE,
    limits: Limits = (0.0, 1.0),
) -> Scores:
    """:func:`estimates` of a single column; ``values`` is (samples,)."""
    return estimates(values, items, categories, weights, level=level, limits=limits)[0]


def estimates(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    level: float = CONFIDENCE,
    limits: Limits = (0.0, 1.0),
) -> list[Scores]:
    """Category means, their weighted sum, and intervals for all of them, for each column.

    On differences of arms, aligned by item and seed, this gives paired differences over the pairs that both have.

    An interval needs two prompts in each category that it covers, else it is NaN. It is the score interval of
    :func:`evalharness.analysis.stats.score_limits.score_limits` with the number of independent images
    (:mod:`evalharness.analysis.stats.effective_sizes`). Without limits it is Student's.

    Args:
        columns: (samples, columns), a column for each arm or difference of arms; NaN where a sample is missing.
        items: The prompt id of each sample.
        categories: The category of each sample.
        weights: Category → its weight in the overall score.
        level: The confidence level.
        limits: The least and greatest possible value, (-1, 1) for differences of scores. Values beyond them, which some
            published rules allow, are limits themselves.
    """
    table, labels, names = columns_of(columns), np.asarray(categories), list(weights)
    parts = list(strata(table, items, labels, names))
    means = np.stack([stratum.means for stratum in parts], axis=-1)
    variances = np.stack([stratum.variances for stratum in parts], axis=-1)
    factors = np.array(list(weights.values()), dtype=float)
    overall, ends = weighted(means, weights), np.full((len(means), len(parts) + 1, 2), math.nan)
    errors = np.sqrt(weighted(variances, {name: weight**2 for name, weight in weights.items()}))
    if limits is None:
        ends = _student_ends(parts, means, variances, factors, level)
    else:
        limits = float(np.nanmin(table, initial=limits[0])), float(np.nanmax(table, initial=limits[1]))
        distributions = [spread(table[labels == name], stratum) for name, stratum in zip(names, parts, strict=True)]
        for place in range(len(parts)):
            ends[:, place] = _score_ends(distributions[place : place + 1], np.ones(1), limits, level)
        counted = [part for part, factor in zip(distributions, factors, strict=True) if factor]
        ends[:, -1] = _score_ends(counted, factors[factors != 0], limits, level)
    scores = []
    for column in range(means.shape[0]):
        by_category = {
            stratum.name: replace(
                _between(float(means[column, place]), ends[column, place]),
                se=math.sqrt(variances[column, place]),
                prompts=int(stratum.prompts[column]),
                samples=int(stratum.counts[:, column].sum()),
            )
            for place, stratum in enumerate(parts)
        }
        prompts = sum(estimate.prompts for estimate in by_category.values())
        samples = sum(estimate.samples for estimate in by_category.values())
        total = _between(float(overall[column]), ends[column, -1])
        total = replace(total, se=float(errors[column]), prompts=prompts, samples=samples)
        scores.append(Scores(total, by_category, samples, prompts))
    return scores


def overall_limits(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    level: float = CONFIDENCE,
    limits: tuple[float, float] = (0.0, 1.0),
) -> Floats:
    """The intervals of the overall scores alone, (columns, 2), as :func:`estimates` gives them."""
    table, labels = columns_of(columns), np.asarray(categories)
    counted = {name: weight for name, weight in weights.items() if weight}
    parts = strata(table, items, labels, list(counted))
    spreads = [spread(table[labels == stratum.name], stratum) for stratum in parts]
    return _score_ends(spreads, np.array(list(counted.values())), limits, level)


def bounds(
    values: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    score_range: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """The overall score if all missing (NaN) samples had the lowest score of the range, and if all had the highest.

    >>> bounds([1.0, float("nan")], ["a", "a"], {"a": 1.0})
    (0.5, 1.0)
    """
    numbers = np.asarray(values, dtype=float)
    ends = []
    for filler in score_range:
        means = category_means(np.nan_to_num(numbers, nan=filler), categories, list(weights))
        ends.append(float(weighted(np.nan_to_num(means, nan=filler), weights)))
    return ends[0], ends[1]


def _between(value: float, ends: Floats) -> Estimate:
    """A value with an interval that contains it, whatever rounding does."""
    if math.isnan(value) or np.isnan(ends).any():
        return Estimate(value)
    return Estimate(value, min(float(ends[0]), value), max(float(ends[1]), value))


def _score_ends(parts: Sequence[Spread], factors: Floats, limits: tuple[float, float], level: float) -> Floats:
    """The limits of the weighted sum of some categories, (columns, 2); NaN where one has fewer than two prompts."""
    ends = np.full((parts[0].shares.shape[0] if parts else 0, 2), math.nan)
    if not parts:
        return ends
    sizes = effective_sizes(parts, factors)
    known = (sizes > 1).all(axis=1)
    if known.any():
        width = max(len(part.values) for part in parts)
        values = np.stack([np.pad(part.values, (0, width - len(part.values)), mode="edge") for part in parts])
        shares = [np.pad(part.shares[known], ((0, 0), (0, width - len(part.values)))) for part in parts]
        observed = Observed(values, np.stack(shares, axis=1), sizes[known] - 1, factors)
        ends[known] = np.stack(score_limits(observed, limits, level), axis=1)
    return ends


def _student_ends(parts: Sequence[Stratum], means: Floats, variances: Floats, factors: Floats, level: float) -> Floats:
    """Student's intervals of the categories and, last, of their weighted sum: (columns, categories + 1, 2).

    Degrees of freedom by Satterthwaite.
    """
    from scipy.special import stdtrit

    degrees = np.stack([stratum.prompts for stratum in parts], axis=-1) - 1
    errors = factors**2 * np.where(factors != 0, variances, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = errors.sum(axis=1) ** 2 / (np.where(factors != 0, errors**2 / degrees, 0.0)).sum(axis=1)
    degrees = np.maximum(np.column_stack([degrees, np.nan_to_num(joint, nan=1.0)]), 1.0)
    values = np.column_stack([means, means[:, factors != 0] @ factors[factors != 0]])
    reach = stdtrit(degrees, (1 + level) / 2) * np.sqrt(np.column_stack([variances, errors.sum(axis=1)]))
    return np.stack([values - reach, values + reach], axis=-1)
