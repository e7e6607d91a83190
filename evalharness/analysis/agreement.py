"""The agreement of a judge with itself, and with another judge. Values are in 0..1; a missing one is NaN.

Intervals are over prompts, which are the independent units: all images of a prompt count as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis import stats
from evalharness.analysis.stats import CONFIDENCE, Estimate, Floats


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two judges on the samples that both scored.

    ``same``: the share of equal values.
    ``kappa``: Cohen's kappa, 1 for perfect agreement, 0 for that of chance; NaN if chance alone would always agree.
    ``first`` and ``second``: the mean values of the judges.
    """

    samples: int
    items: int
    same: Estimate
    kappa: Estimate
    first: float
    second: float


def agreement(first: npt.ArrayLike, second: npt.ArrayLike, items: npt.ArrayLike) -> Agreement:
    """The agreement of two judges' values of the same samples, all (samples,).

    κ = 1 - Σ(x - y)² / E Σ(x - y)², the expectation being that of independent judges with the same values. This is
    kappa with quadratic weights (Cohen, *Psychological Bulletin* 70, 1968); for values of 0 and 1 it is the unweighted
    kappa (Cohen, *Educational and Psychological Measurement* 20, 1960).
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    both = ~np.isnan(x) & ~np.isnan(y)
    x, y, prompts = x[both], y[both], np.asarray(items)[both]
    if not x.size:
        return Agreement(0, 0, Estimate(math.nan), Estimate(math.nan), math.nan, math.nan)
    same, kappa = _mean((x == y).astype(float), prompts), _kappa_estimate(x, y, prompts)
    return Agreement(len(x), same.prompts, same, kappa, float(x.mean()), float(y.mean()))


def flip_rate(values: npt.ArrayLike, items: npt.ArrayLike) -> Estimate:
    """How often two replies about the same image have different values.

    ``values`` is (samples, replies). The rate is the mean, over the samples with two replies or more, of the share of
    pairs of replies that differ.
    """
    flips = _flips(np.asarray(values, dtype=float))
    repeated = ~np.isnan(flips)
    if not repeated.any():
        return Estimate(math.nan)
    return _mean(flips[repeated], np.asarray(items)[repeated])


def reply_variance(
    values: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float], counts: Mapping[str, int]
) -> float:
    """The variance of an overall score that is due to the judge's inconsistency: Σ w² σ² / n over the categories.

    It is the variance that would be observed if every sample received one of its possible replies anew, repeatedly.

    Args:
        values: (samples, replies). σ² is the mean, over the samples with two replies or more, of their variance (with
            denominator replies - 1).
        categories: The category of each sample.
        weights: Category → its weight w.
        counts: Category → the number n of samples that its score is the mean of.

    Returns:
        The variance; NaN if a category with a weight has no repeated sample.
    """
    table, labels = np.asarray(values, dtype=float), np.asarray(categories)
    total = 0.0
    for category, weight in weights.items():
        if not weight:
            continue
        replies = table[labels == category]
        replies = replies[(~np.isnan(replies)).sum(axis=1) > 1]
        if not len(replies) or not counts.get(category):
            return math.nan
        total += weight**2 * float(np.nanvar(replies, axis=1, ddof=1).mean()) / counts[category]
    return total


def _flips(table: Floats) -> Floats:
    """The share of pairs of values that differ, for each row; NaN with fewer than two values."""
    shares = np.full(len(table), math.nan)
    for row, values in enumerate(table):
        present = values[~np.isnan(values)]
        pairs = len(present) * (len(present) - 1)
        if pairs:
            _, counts = np.unique(present, return_counts=True)
            shares[row] = 1 - (counts * (counts - 1)).sum() / pairs
    return shares


def _mean(values: Floats, prompts: npt.NDArray[Any]) -> Estimate:
    """The mean over all samples, in whatever category, with its score interval."""
    return stats.estimate(values, prompts, [""] * len(values), {"": 1.0}).overall


def _kappa_estimate(x: Floats, y: Floats, prompts: npt.NDArray[Any]) -> Estimate:
    """Kappa with the wider of two limits on each side.

    Student's, with the jackknife's standard error over prompts, knows how the agreement by chance varies, but not that
    what happened once or never may happen more often. The limits of the mean of (x - y)², over the agreement by chance
    as observed, know that alone.
    """
    from scipy.special import stdtrit

    columns = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    (stratum,) = stats.strata(columns, prompts, [""] * len(x))
    total, count = stratum.sums.sum(axis=0), len(stratum.sums)
    value, without = float(_kappa(total)), _kappa(total - stratum.sums)
    distance = _mean((x - y) ** 2, prompts)
    if math.isnan(value) or math.isnan(distance.low) or np.isnan(without).any():
        return Estimate(value)
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    chance = float(_chance(total))
    low, high = min(value - reach, 1 - distance.high / chance), max(value + reach, 1 - distance.low / chance)
    return Estimate(value, max(-1.0, low), min(1.0, high), se=error, prompts=count, samples=len(x))


def _kappa(sums: Floats) -> Floats:
    """Kappa from sums over samples of 1, x, y, x², y², xy in the last axis."""
    count, x2, y2, xy = (sums[..., column] for column in (0, 3, 4, 5))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = _chance(sums)
        kappa = 1 - (x2 + y2 - 2 * xy) / count / chance
        return np.where(chance > 1e-12, kappa, math.nan)


def _chance(sums: Floats) -> Floats:
    """The expected mean of (x - y)² if the two were independent."""
    count, x, y, x2, y2 = (sums[..., column] for column in range(5))
    expected: Floats = (x2 + y2) / count - 2 * (x / count) * (y / count)
    return expected
