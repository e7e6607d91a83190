"""How far a judge agrees with itself, and with another. Values are in 0..1; NaN stands for one that is missing.

Intervals are those of :mod:`evalharness.analysis.stats`: prompts are drawn, with all their images, within
their category.
Where nothing ever differed a bootstrap has no width, though the next reply might; the limit is then that of
:func:`evalharness.analysis.stats.none_of`, each prompt a trial.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evalharness.analysis import stats
from evalharness.analysis.stats import Estimate, Floats


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two judges on the samples that both scored.

    ``same``: the share of equal values. ``kappa``: Cohen's, 1 is all there can be, 0 what chance would give; NaN where
    chance alone would agree. ``first`` and ``second``: their mean values.
    """

    samples: int
    items: int
    same: Estimate
    kappa: Estimate
    first: float
    second: float


def agreement(
    first: npt.ArrayLike, second: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike
) -> Agreement:
    """Two judges' values of the same samples.

    κ = 1 - Σ(x - y)² / Σ(x - y)² expected of independent judges with the same values (Cohen, 1968). Of bits that is his
    κ of 1960; of other values the one with quadratic weights.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    there = ~np.isnan(x) & ~np.isnan(y)
    x, y, prompts, labels = x[there], y[there], np.asarray(items)[there], np.asarray(categories)[there]
    if not x.size:
        return Agreement(0, 0, Estimate(math.nan), Estimate(math.nan), math.nan, math.nan)
    columns = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, (x == y).astype(float)], axis=1)
    total, resampled = columns.sum(axis=0), stats.resampled_sums(columns, prompts, labels)
    count = len(np.unique(prompts))
    enough = count > 1
    same, kappa = Estimate(float(total[6] / total[0])), Estimate(float(_kappa(total)))
    if enough:
        same = _share(same.value, resampled[:, 6] / resampled[:, 0], count)
        kappa = stats.interval(kappa.value, _kappa(resampled))
        if same.value == 1 and not math.isnan(kappa.value):
            kappa = replace(kappa, low=max(-1.0, 1 - stats.none_of(count) / float(_chance(total))))
    return Agreement(len(x), count, same, kappa, float(x.mean()), float(y.mean()))


def flip_rate(values: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike) -> Estimate:
    """How often two replies about the same image come to different values.

    ``values``: (samples, replies). Of each sample with two replies or more the share of pairs that differ; the mean of
    those.
    """
    table = np.asarray(values, dtype=float)
    flips = _flips(table)
    there = ~np.isnan(flips)
    if not there.any():
        return Estimate(math.nan)
    prompts, labels = np.asarray(items)[there], np.asarray(categories)[there]
    rate, count = float(flips[there].mean()), len(np.unique(prompts))
    if count < 2:
        return Estimate(rate)
    sums = stats.resampled_sums(np.stack([np.ones(there.sum()), flips[there]], axis=1), prompts, labels)
    return _share(rate, sums[:, 1] / sums[:, 0], count)


def reply_variance(
    values: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float], counts: Mapping[str, int]
) -> float:
    """The variance that the judge's inconsistency gives an overall score: Σ w² σ² / n over the categories.

    σ² is the mean variance (n - 1) of a sample's replies, over the repeated samples of the category; ``counts`` has
    the number n of samples that the category's score is the mean of. It is what would be seen if each of them were
    given one of its possible replies anew, again and again. NaN if a category that counts has no repeated sample.
    """
    table, labels = np.asarray(values, dtype=float), np.asarray(categories)
    total = 0.0
    for category, weight in weights.items():
        own = table[labels == category]
        own = own[(~np.isnan(own)).sum(axis=1) > 1]
        if weight and not (len(own) and counts.get(category)):
            return math.nan
        if weight:
            total += weight**2 * float(np.nanvar(own, axis=1, ddof=1).mean()) / counts[category]
    return total


def _flips(table: Floats) -> Floats:
    """Of each row the share of pairs of values that differ; NaN with fewer than two values."""
    shares = np.full(len(table), math.nan)
    for row, values in enumerate(table):
        there = values[~np.isnan(values)]
        pairs = len(there) * (len(there) - 1)
        if pairs:
            _, counts = np.unique(there, return_counts=True)
            shares[row] = 1 - (counts * (counts - 1)).sum() / pairs
    return shares


def _kappa(sums: Floats) -> Floats:
    count, x2, y2, xy = (sums[..., column] for column in (0, 3, 4, 5))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = _chance(sums)
        kappa = 1 - (x2 + y2 - 2 * xy) / count / chance
        return np.where(chance > 1e-12, kappa, math.nan)


def _chance(sums: Floats) -> Floats:
    """The mean of (x - y)² if the two were independent."""
    count, x, y, x2, y2 = (sums[..., column] for column in range(5))
    found: Floats = (x2 + y2) / count - 2 * (x / count) * (y / count)
    return found


def _share(value: float, replicates: Floats, count: int) -> Estimate:
    found = stats.interval(value, replicates)
    if value == 0:
        return replace(found, high=stats.none_of(count))
    return replace(found, low=1 - stats.none_of(count)) if value == 1 else found
