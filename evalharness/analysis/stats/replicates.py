"""Statistics of replicates: trainings of one recipe, each a unit, so that k of them are a sample of size k.

The number of images and prompts says nothing about how another training of the same recipe would score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, columns_of, strata
from evalharness.analysis.stats.intervals import CONFIDENCE, Estimate
from evalharness.analysis.stats.scores import weighted

EQUAL = 1e-12
"""Scores that differ by less are equal: sums of floating-point numbers are rounded."""


@dataclass(frozen=True, slots=True)
class Unpaired:
    """A difference of two means with its t interval, degrees of freedom and two-sided p-value.

    NaN if the data do not allow an estimate.
    """

    difference: Estimate
    degrees: float = math.nan
    p: float = math.nan


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of a variance that sum to it.

    ``trainings``: due to differences between trainings of the same recipe; ``trainings_low`` and ``trainings_high``
    are the ends of its 95 % interval.
    ``prompts``: due to the choice of prompts, which are easier or harder for all trainings.
    ``images``: the rest, due to the noise of the images and to prompts that suit one training more than another.
    NaN for a single training, and where a category has fewer than two prompts that all trainings have.
    """

    trainings: float = math.nan
    prompts: float = math.nan
    images: float = math.nan
    trainings_low: float = math.nan
    trainings_high: float = math.nan

    @property
    def total(self) -> float:
        return self.trainings + self.prompts + self.images

    @property
    def between(self) -> Estimate:
        """The trainings' share of the variance, in 0..1, with its interval; NaN where there is no variance."""
        rest = self.prompts + self.images
        parts = (self.trainings, self.trainings_low, self.trainings_high)
        share, low, high = (part / (part + rest) if part + rest > 0 else math.nan for part in parts)
        return Estimate(share, low, high)


def mean_of(scores: Sequence[float], *, level: float = CONFIDENCE) -> Estimate:
    """The mean of the scores of trainings with Student's t interval.

    There is no interval for a single training, or if all scores are equal.
    """
    values = np.asarray(scores, dtype=float)
    error = _error(values)
    return _interval(float(values.mean()), error, len(values) - 1, level)


def deviation(scores: Sequence[float], *, level: float = CONFIDENCE) -> Estimate:
    """The standard deviation between trainings, with its chi-square interval.

    For three trainings that reaches from 0.5 to 6.3 times the deviation. There is no interval if all scores are equal.
    """
    from scipy.special import gammaincinv

    values = np.asarray(scores, dtype=float)
    if len(values) < 2:
        return Estimate(math.nan)
    spread, degrees = float(values.std(ddof=1)), len(values) - 1
    if not spread > EQUAL:
        return _without_interval(spread, spread)
    quantiles = [2 * float(gammaincinv(degrees / 2, tail)) for tail in ((1 + level) / 2, (1 - level) / 2)]
    low, high = (spread * math.sqrt(degrees / quantile) for quantile in quantiles)
    return Estimate(spread, low, high)


def welch(first: Sequence[float], second: Sequence[float], *, level: float = CONFIDENCE) -> Unpaired:
    """The mean of the first minus that of the second; each needs two scores or more.

    Degrees of freedom by Welch and Satterthwaite (Welch, *Biometrika* 34, 1947).

    >>> test = welch([0.70, 0.72, 0.74], [0.60, 0.63, 0.66])
    >>> round(test.difference.low, 3), round(test.difference.high, 3), round(test.degrees, 2)
    (0.029, 0.151, 3.48)
    """
    groups = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    variances = [scores.var(ddof=1) / len(scores) for scores in groups]
    variance, value = sum(variances), float(groups[0].mean() - groups[1].mean())
    if not variance > EQUAL**2:
        return Unpaired(_without_interval(value, float(variance)))
    degrees = variance**2 / sum(part**2 / (len(scores) - 1) for part, scores in zip(variances, groups, strict=True))
    return _tested(value, math.sqrt(variance), float(degrees), level)


def between_part(
    total: float, degrees: float, images: float, *, level: float = CONFIDENCE
) -> tuple[float, float, float]:
    """The part of a variance between trainings that their images do not explain, with its interval.

    The chi-square interval of the whole variance, less the images' part (Williams, *Biometrika* 49, 1962). The part is
    never below 0, so a value of 0 says little without the interval.

    Args:
        total: The variance between the trainings' scores, or that of a difference of means.
        degrees: Its degrees of freedom.
        images: The part of it that is due to images.
    """
    from scipy.special import gammaincinv

    quantiles = [2 * float(gammaincinv(degrees / 2, tail)) for tail in ((1 + level) / 2, (1 - level) / 2)]
    low, high = (max(0.0, total * degrees / quantile - images) for quantile in quantiles)
    return max(0.0, total - images), low, high


def complete(columns: npt.ArrayLike) -> Floats:
    """The columns (samples, trainings) with all of a row set to NaN if any of it is."""
    table = columns_of(columns).copy()
    table[np.any(np.isnan(table), axis=1), :] = np.nan
    return table


def clustered(
    columns: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """The overall score of each column (samples, columns), and its variance over prompts, both (columns,).

    Samples for which any column is NaN are left out of all columns.
    """
    by_category = list(strata(complete(columns), items, categories, list(weights)))
    means = np.stack([stratum.means for stratum in by_category], axis=-1)
    variances = np.stack([stratum.variances for stratum in by_category], axis=-1)
    squares = {name: weight**2 for name, weight in weights.items()}
    return weighted(means, weights), weighted(variances, squares)


def shares(
    columns: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float]
) -> Shares:
    """The parts of the variance of the score of one training.

    A column of (samples, trainings) is a training; all have the same prompts and seeds, so trainings × prompts is a
    crossed design. The variance between the trainings' scores contains the part that is due to their images. Half the
    variance of a difference of two trainings is that part alone; its mean over the pairs is the mean square of the
    interaction (Searle, Casella & McCulloch, *Variance Components*, 1992, section 4.3).
    """
    table = complete(columns)
    count = table.shape[1]
    if count < 2:
        return Shares()
    pairs = [(i, j) for i in range(count) for j in range(i)]
    differences = np.stack([table[:, i] - table[:, j] for i, j in pairs], axis=1)
    scores, variances = clustered(table, items, categories, weights)
    images = float(clustered(differences, items, categories, weights)[1].mean()) / 2
    between, within = float(scores.var(ddof=1)), float(variances.mean())
    if math.isnan(between + images):
        return Shares()
    trainings, low, high = between_part(between, count - 1, images)
    return Shares(trainings, max(0.0, within - images), images, low, high)


def _error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _without_interval(value: float, error: float) -> Estimate:
    """A value whose error is not known, or 0 because nothing differs."""
    return Estimate(value, se=math.nan if math.isnan(error) else 0.0)


def _interval(value: float, error: float, degrees: float, level: float) -> Estimate:
    from scipy.special import stdtrit

    if not error > EQUAL:
        return _without_interval(value, error)
    reach = float(stdtrit(degrees, (1 + level) / 2)) * error
    return Estimate(value, value - reach, value + reach, error)


def _tested(value: float, error: float, degrees: float, level: float) -> Unpaired:
    from scipy.special import stdtr

    p = 2 * float(stdtr(degrees, -abs(value) / error))
    return Unpaired(_interval(value, error, degrees, level), degrees, p)
