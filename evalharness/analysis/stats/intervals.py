"""Intervals: the bootstrap's percentiles, and what to say where the bootstrap sees nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, the interval around it and its standard error; NaN where the data do not say.

    ``se`` is clustered by prompt. ``prompts`` and ``samples``: how many it rests on, 0 where nobody counted.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    se: float = math.nan
    prompts: int = 0
    samples: int = 0


def interval(value: float, replicates: npt.ArrayLike, level: float = LEVEL) -> Estimate:
    """A value with the percentile interval of its replicates; without one if any of them is NaN."""
    found = np.asarray(replicates, dtype=float)
    if math.isnan(value) or np.isnan(found).any():
        return Estimate(value)
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    # Where resamples hardly differ, rounding could leave the estimate just outside.
    return Estimate(value, min(float(low), value), max(float(high), value))


def none_of(count: int, level: float = LEVEL) -> float:
    """What never happened in ``count`` independent trials happens at most this often (Clopper & Pearson, 1934).

    >>> round(none_of(60), 3)
    0.06
    """
    return 1.0 - float(((1 - level) / 2) ** (1 / count))


def near_limit(
    value: float, variance: float, prompts: int, samples: int, off: int, level: float = LEVEL
) -> tuple[float, float]:
    """Limits of a share in 0..1 that only ``off`` prompts keep from 0 or 1: the bootstrap has little to draw from.

    Clopper and Pearson's interval with as many trials as would give a plain share this variance (Korn & Graubard,
    *Survey Methodology* 24, 1998): the number of prompts where the images of a prompt are all alike, the number of
    images where they have nothing in common. The variance rests on few prompts, so that the trials are lessened by
    Student's t with as many degrees of freedom; they are never fewer than the prompts, which are independent.

    >>> [round(end, 3) for end in near_limit(79 / 80, 1 / 80 * 79 / 80 / 80, 80, 80, 1)]
    [0.932, 1.0]
    """
    from scipy.special import betaincinv, ndtri, stdtrit  # scipy.stats has them too, and takes seconds to import

    tail, trials = (1 - level) / 2, float(prompts)
    if variance > 0 and off > 0:
        lessened = (float(ndtri(tail)) / float(stdtrit(off, tail))) ** 2
        trials = min(max(lessened * value * (1 - value) / variance, trials), float(samples))
    right, wrong = trials * value, trials * (1 - value)
    low = float(betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    return low, float(betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0


def unseen(weights: Floats, prompts: Floats, reaches: Floats, level: float = LEVEL) -> float:
    """How far a weighted sum of categories may lie from where all their prompts agree, to one side.

    In each of these categories every prompt has the same mean, so that no resample differs from another. Let a share q
    of all prompts be different; that none of n was seen has probability (1 - q)^n, over the categories the product,
    and where that is below (1 - level) / 2 the shares are ruled out. A prompt that differs moves the mean by
    ``reaches`` at most. Of all shares not ruled out this bounds Σ weight × q × reach, since -log(1 - q) ≥ q.

    >>> round(unseen(np.array([1.0]), np.array([60]), np.array([1.0])), 3)
    0.06
    """
    if not len(weights):
        return 0.0
    alone = float(sum(w * none_of(int(n), level) * r for w, n, r in zip(weights, prompts, reaches, strict=True)))
    return min(alone, math.log(2 / (1 - level)) * float((weights * reaches / prompts).max()))
