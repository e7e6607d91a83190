"""Training runs as the units: each is one draw of what a recipe gives, so k of them are a sample of size k.

Images and prompts, however many, say nothing of how another training of the same recipe would score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, columns_of, strata
from evalharness.analysis.stats.intervals import LEVEL, Estimate
from evalharness.analysis.stats.scores import weighted


@dataclass(frozen=True, slots=True)
class Unpaired:
    """A difference of two means with its t interval, ``degrees`` of freedom and two-sided ``p``; NaN where the data do
    not say."""

    difference: Estimate
    degrees: float = math.nan
    p: float = math.nan


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of a variance that sum to it.

    ``trainings``: another training of the same recipe would score otherwise on any images; ``prompts``: others would
    have been easier or harder, for all trainings alike; ``images``: the rest, the noise of the drawings and the prompts
    that suit one training more than another. NaN where there is one training.
    """

    trainings: float = math.nan
    prompts: float = math.nan
    images: float = math.nan

    @property
    def total(self) -> float:
        return self.trainings + self.prompts + self.images


def mean_of(scores: Sequence[float], *, level: float = LEVEL) -> Estimate:
    """The mean of trainings with Student's t interval; without one for a single training, or if all score the same."""
    values = np.asarray(scores, dtype=float)
    error = _error(values)
    return _interval(float(values.mean()), error, len(values) - 1, level)


def deviation(scores: Sequence[float], *, level: float = LEVEL) -> Estimate:
    """The standard deviation between trainings, with the interval by chi-square: of three it is known to within 0.5 to
    6.3 times."""
    from scipy.special import gammaincinv

    values = np.asarray(scores, dtype=float)
    if len(values) < 2:
        return Estimate(math.nan)
    found, degrees = float(values.std(ddof=1)), len(values) - 1
    quantiles = [2 * float(gammaincinv(degrees / 2, tail)) for tail in ((1 + level) / 2, (1 - level) / 2)]
    low, high = (found * math.sqrt(degrees / quantile) for quantile in quantiles)
    return Estimate(found, low, high)


def welch(first: Sequence[float], second: Sequence[float], *, level: float = LEVEL) -> Unpaired:
    """First minus second, with Welch and Satterthwaite's degrees of freedom (Welch, *Biometrika* 34, 1947).

    Both need two scores or more.

    >>> found = welch([0.70, 0.72, 0.74], [0.60, 0.63, 0.66])
    >>> round(found.difference.low, 3), round(found.difference.high, 3), round(found.degrees, 2)
    (0.029, 0.151, 3.48)
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    parts = [one.var(ddof=1) / len(one) for one in (a, b)]
    whole, value = sum(parts), float(a.mean() - b.mean())
    if not whole > 0:
        return Unpaired(Estimate(value))
    degrees = whole**2 / sum(part**2 / (len(one) - 1) for part, one in zip(parts, (a, b), strict=True))
    return _tested(value, math.sqrt(whole), float(degrees), level)


def single_against(one: float, others: Sequence[float], *, level: float = LEVEL) -> Unpaired:
    """One training minus the mean of others, as if it came of trainings that vary as those do.

    That is Student's test with a sample of one: the error is s √(1 + 1/k), with k - 1 degrees of freedom (Sokal &
    Rohlf, *Biometry*, 1995, section 9.6).
    """
    values = np.asarray(others, dtype=float)
    error = float(values.std(ddof=1)) * math.sqrt(1 + 1 / len(values))
    value = float(one - values.mean())
    return _tested(value, error, float(len(values) - 1), level) if error > 0 else Unpaired(Estimate(value))


def complete(columns: npt.ArrayLike) -> Floats:
    """The same without the rows in which any column is NaN: they become NaN as a whole."""
    table = columns_of(columns).copy()
    table[np.any(np.isnan(table), axis=1), :] = np.nan
    return table


def clustered(
    columns: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """The overall score of each column, and its variance over the choice of prompts, clustered by prompt.

    Rows (samples) in which any column is NaN count for none.
    """
    table = complete(columns)
    parts = list(strata(table, items, categories, list(weights)))
    means = np.stack([one.means for one in parts], axis=-1)
    spread = np.stack([one.variances for one in parts], axis=-1)
    squares = {name: weight**2 for name, weight in weights.items()}
    return weighted(means, weights), weighted(spread, squares)


def shares(
    columns: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike, weights: Mapping[str, float]
) -> Shares:
    """Where the variance of the score of one training is; a column is a training, on the same prompts and seeds.

    Trainings × prompts is a crossed design. The variance between the trainings' scores holds what they owe to their
    images, and the variance of a difference of two of them, halved, is that alone: its mean over the pairs is the mean
    square of the interaction (Searle, Casella & McCulloch, *Variance Components*, 1992, section 4.3).
    """
    table = complete(columns)
    count = table.shape[1]
    if count < 2:
        return Shares()
    pairs = [(i, j) for i in range(count) for j in range(i)]
    gaps = np.stack([table[:, i] - table[:, j] for i, j in pairs], axis=1)
    scores, own = clustered(table, items, categories, weights)
    images = float(clustered(gaps, items, categories, weights)[1].mean()) / 2
    between, whole = float(scores.var(ddof=1)), float(own.mean())
    return Shares(max(0.0, between - images), max(0.0, whole - images), images)


def _error(values: Floats) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _interval(value: float, error: float, degrees: float, level: float) -> Estimate:
    from scipy.special import stdtrit

    if not error > 0:
        return Estimate(value)
    reach = float(stdtrit(degrees, (1 + level) / 2)) * error
    return Estimate(value, value - reach, value + reach, error)


def _tested(value: float, error: float, degrees: float, level: float) -> Unpaired:
    from scipy.special import stdtr

    p = 2 * float(stdtr(degrees, -abs(value) / error))
    return Unpaired(_interval(value, error, degrees, level), degrees, p)
