"""Estimates with intervals: percentiles of the bootstrap, and other limits if resamples do not vary."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats

CONFIDENCE = 0.95
"""The confidence level of all intervals."""
SIGNIFICANCE = 0.05
"""The level that an adjusted p-value must not exceed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its interval and its standard error; NaN if the data do not allow an estimate.

    ``se`` is clustered by prompt. ``prompts`` and ``samples`` are the numbers that the mean rests on, 0 if they were
    not counted.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    se: float = math.nan
    prompts: int = 0
    samples: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0; False without an interval."""
        return bool(self.low > 0 or self.high < 0)


def significant(difference: Estimate, p_adjusted: float) -> bool:
    """Whether a difference has an interval that excludes 0 and a p-value of at most 0.05.

    A p-value that does not exist (NaN) does not count against it.
    """
    return difference.excludes_zero and not p_adjusted > SIGNIFICANCE


def interval(value: float, resampled: npt.ArrayLike, level: float = CONFIDENCE) -> Estimate:
    """A value with the percentile interval of its resampled values; without one if any of them is NaN."""
    values = np.asarray(resampled, dtype=float)
    if math.isnan(value) or np.isnan(values).any():
        return Estimate(value)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    # If resamples hardly differ, rounding could leave the estimate just outside.
    return Estimate(value, min(float(low), value), max(float(high), value))


def none_of(count: int, level: float = CONFIDENCE) -> float:
    """The upper limit of the rate of an event that never happened in ``count`` independent trials.

    Clopper & Pearson, *Biometrika* 26, 1934.

    >>> round(none_of(60), 3)
    0.06
    """
    return 1.0 - float(((1 - level) / 2) ** (1 / count))


def near_limit(
    value: float, variance: float, prompts: int, samples: int, off: int, level: float = CONFIDENCE
) -> tuple[float, float]:
    """Limits of a share in 0..1 that only ``off`` prompts keep from 0 or 1, so that the bootstrap has little to draw.

    The interval of Clopper and Pearson with the effective number of trials, at which a simple share would have this
    variance (Korn & Graubard, *Survey Methodology* 24, 1998): the number of prompts if all images of a prompt are
    alike, the number of images if they are independent. The variance rests on few prompts, so the number of trials is
    reduced by Student's t with ``off`` degrees of freedom. It is never below the number of prompts, which are
    independent.

    >>> [round(end, 3) for end in near_limit(79 / 80, 1 / 80 * 79 / 80 / 80, 80, 80, 1)]
    [0.932, 1.0]
    """
    from scipy.special import betaincinv, ndtri, stdtrit  # scipy.stats has these as well, but takes seconds to import

    tail, trials = (1 - level) / 2, float(prompts)
    if variance > 0 and off > 0:
        reduction = (float(ndtri(tail)) / float(stdtrit(off, tail))) ** 2
        trials = min(max(reduction * value * (1 - value) / variance, trials), float(samples))
    right, wrong = trials * value, trials * (1 - value)
    low = float(betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0
    return low, high


def unseen(weights: Floats, prompts: Floats, reaches: Floats, level: float = CONFIDENCE) -> float:
    """How far a weighted sum of categories may lie, to one side, from its value where all prompts agree.

    In each of these categories every prompt has the same mean, so that all resamples are equal. Let a share q of all
    prompts be different. The probability to see none of them among n is (1 - q)^n, and the product of these over the
    categories. Shares with a probability below (1 - level) / 2 are ruled out. A prompt that differs moves the mean by
    ``reaches`` at most. The result bounds Σ weight × q × reach over all shares not ruled out, as -log(1 - q) ≥ q.

    Args:
        weights: The weights of the categories, (categories,).
        prompts: The number of prompts of each category.
        reaches: The distance of each category's mean from the limit of the scores on this side.
        level: The confidence level of the two-sided interval.

    >>> round(unseen(np.array([1.0]), np.array([60]), np.array([1.0])), 3)
    0.06
    """
    if not len(weights):
        return 0.0
    separate = float(sum(w * none_of(int(n), level) * r for w, n, r in zip(weights, prompts, reaches, strict=True)))
    return min(separate, math.log(2 / (1 - level)) * float((weights * reaches / prompts).max()))
