"""Scores with their uncertainty: clustered by prompt, stratified by category, paired between arms.

The images of one prompt resemble each other, so a prompt with all its seeds is what the bootstrap draws (a cluster).
How many prompts a category has is part of a benchmark's design, so prompts are drawn within their category (a stratum).
The interval is the percentile interval of Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13.

A missing score is NaN and never 0: it is left out of a mean, and :func:`bounds` says how much it could matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
LEVEL = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the interval around it; NaN where the data do not say."""

    value: float
    low: float = math.nan
    high: float = math.nan


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
) -> Scores:
    """Category means, their weighted sum, and bootstrap intervals for all of them.

    ``values``, ``items`` (prompt ids) and ``categories`` have one entry a sample; a NaN value is a missing sample. The
    same function on ``a - b``, two arms aligned by (item, seed index), gives the paired difference over the pairs that
    both arms have. An interval needs two prompts in each category that it covers, else it is NaN.
    """
    numbers, prompts, labels = np.asarray(values, dtype=float), np.asarray(items), np.asarray(categories)
    there = ~np.isnan(numbers)
    means = category_means(numbers, labels, list(weights))
    replicates = np.full((resamples, len(weights)), math.nan)
    for stratum, category in enumerate(weights):
        inside = there & (labels == category)
        sums, counts = _clusters(numbers[inside], prompts[inside])
        if len(sums) > 1:
            drawn = _draws(len(sums), resamples, seed, stratum)
            replicates[:, stratum] = (drawn @ sums) / (drawn @ counts)
    overall = _interval(float(weighted(means, weights)), weighted(replicates, weights), level)
    parts = {
        category: _interval(float(means[stratum]), replicates[:, stratum], level)
        for stratum, category in enumerate(weights)
    }
    return Scores(overall, parts, int(there.sum()), len(np.unique(prompts[there])))


def resampled_sums(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Floats:
    """Sums of the columns (samples, m) over the samples of each resample: (resamples, m), prompts drawn as above."""
    table, prompts, labels = np.asarray(columns, dtype=float), np.asarray(items), np.asarray(categories)
    sums = np.zeros((resamples, table.shape[1]))
    for stratum, category in enumerate(np.unique(labels)):
        inside = labels == category
        clusters = np.stack([_clusters(column, prompts[inside])[0] for column in table[inside].T], axis=1)
        sums += _draws(len(clusters), resamples, seed, stratum) @ clusters
    return sums


def interval(value: float, replicates: npt.ArrayLike, level: float = LEVEL) -> Estimate:
    """A value with the percentile interval of its replicates; without one if any of them is NaN."""
    return _interval(value, np.asarray(replicates, dtype=float), level)


def none_of(count: int, level: float = LEVEL) -> float:
    """What never happened in ``count`` independent trials happens at most this often (Clopper & Pearson, 1934).

    >>> round(none_of(60), 3)
    0.06
    """
    return 1.0 - float(((1 - level) / 2) ** (1 / count))


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


def _clusters(values: Floats, items: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """The sum and the number of values of each item."""
    _, cluster = np.unique(items, return_inverse=True)
    return np.bincount(cluster, weights=values).astype(float), np.bincount(cluster).astype(float)


@lru_cache(maxsize=16)
def _draws(clusters: int, resamples: int, seed: int, stratum: int) -> Floats:
    """How often each cluster is drawn in each resample: (resamples, clusters). Arms of one sweep share them."""
    generator = np.random.default_rng([seed, stratum])
    drawn = generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(float)
    drawn.flags.writeable = False
    return drawn


def _interval(value: float, replicates: Floats, level: float) -> Estimate:
    if math.isnan(value) or np.isnan(replicates).any():
        return Estimate(value)
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    # Where resamples hardly differ, rounding could leave the estimate just outside.
    return Estimate(value, min(float(low), value), max(float(high), value))
