"""Where the variance of an overall score is, and what a smaller one would cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Stratum, strata
from evalharness.analysis.stats.intervals import LEVEL

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Components:
    """The variance of an overall score (or of a paired difference) in parts that sum to it.

    ``prompts``: other prompts would have been easier or harder; ``seeds``: other noise would have drawn other images;
    ``judge``: asked again, the judge would have said otherwise (0 where it was not asked again; then ``seeds`` holds it
    too). NaN where every prompt has a single image, so that the first two cannot be told apart: ``prompts`` is then
    their sum. ``images``: the mean number of images per prompt.
    """

    prompts: float
    seeds: float
    judge: float
    images: float

    @property
    def total(self) -> float:
        return self.prompts + sum(0.0 if math.isnan(part) else part for part in (self.seeds, self.judge))


@dataclass(frozen=True, slots=True)
class Needed:
    """What would show a difference: so many prompts (with as many images each), or so many images per prompt.

    ``images`` is infinite where the prompts alone vary too much. NaN where the data do not say.
    """

    difference: float
    prompts: float
    images: float


def components(
    values: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    judge: float = 0.0,
) -> Components:
    """Σ weight² (σ²_prompt Σ n² / N² + σ²_seed / N) over the categories; n images of a prompt, N of all.

    σ² are the one-way ANOVA estimates for prompts with different numbers of images (Searle, Casella & McCulloch,
    *Variance Components*, 1992, section 3.6).

    ``judge`` is the part of it that the judge's mood has (:func:`evalharness.analysis.agreement.reply_variance`).
    """
    prompts, seeds, samples, clusters = 0.0, 0.0, 0, 0
    table = np.asarray(values, dtype=float)
    squares = np.stack([table, table**2], axis=1)
    for one in strata(squares, items, categories, [name for name, weight in weights.items() if weight]):
        between, within = _anova(one)
        prompts += weights[one.name] ** 2 * between
        seeds += weights[one.name] ** 2 * within
        samples, clusters = samples + int(one.counts[:, 0].sum()), clusters + int(one.prompts[0])
    if samples == clusters or math.isnan(seeds):
        return Components(prompts, math.nan, judge or math.nan, samples / clusters if clusters else math.nan)
    judge = min(judge, seeds)
    return Components(prompts, seeds - judge, judge, samples / clusters)


def detectable(se: float, *, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest true difference that a two-sided test would find with this power, given the standard error.

    >>> round(detectable(0.01), 4)
    0.028
    """
    from scipy.special import ndtri

    return float(se * (ndtri((1 + level) / 2) + ndtri(power)))


def needed(parts: Components, prompts: int, difference: float, *, level: float = LEVEL, power: float = POWER) -> Needed:
    """How many prompts, or images per prompt, would show a paired difference of this size.

    More prompts of each category shrink all parts alike, more images of each prompt only those of seeds and judge.
    """
    allowed = (difference / detectable(1.0, level=level, power=power)) ** 2
    more = math.ceil(prompts * parts.total / allowed - 1e-9) if parts.total >= 0 else math.nan
    if math.isnan(parts.seeds):
        return Needed(difference, more, math.nan)
    left = allowed - parts.prompts
    images = parts.images * (parts.seeds + parts.judge) / left if left > 0 else math.inf
    return Needed(difference, more, max(1, math.ceil(images - 1e-9)) if math.isfinite(images) else math.inf)


def _anova(one: Stratum) -> tuple[float, float]:
    """What prompts and seeds add to the variance of the category's mean."""
    there = one.counts[:, 0] > 0
    counts, sums, squares = one.counts[there, 0], one.sums[there, 0], one.sums[there, 1]
    total, prompts = counts.sum(), len(counts)
    if prompts < 2:
        return math.nan, math.nan
    if total == prompts:
        return float(sums.var(ddof=1) / prompts), math.nan
    within = max(0.0, float((squares - sums**2 / counts).sum() / (total - prompts)))
    between = float((sums**2 / counts).sum() - sums.sum() ** 2 / total) / (prompts - 1)
    images = (total - (counts**2).sum() / total) / (prompts - 1)
    spread = max(0.0, (between - within) / float(images))
    return float(spread * (counts**2).sum() / total**2), float(within / total)
