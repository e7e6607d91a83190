"""The components of the variance of an overall score, and the sizes of runs that would reduce it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Stratum, strata


@dataclass(frozen=True, slots=True)
class Components:
    """The variance of an overall score (or of a paired difference) in parts that sum to it.

    ``prompts``: due to the choice of prompts, which are easier or harder.
    ``seeds``: due to the noise from which images are drawn. NaN where every prompt has a single image, so that the two
    cannot be separated; ``prompts`` is then their sum.
    ``judge``: due to inconsistent replies of the judge; NaN if it was not asked repeatedly, and then part of ``seeds``.
    ``images``: the mean number of images per prompt.
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
    """The number of prompts (with as many images each), or of images per prompt, that would show a difference.

    ``images`` is infinite if the prompts alone vary too much. NaN if the data do not allow an estimate.
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
    judge: float = math.nan,
) -> Components:
    """The variance Σ weight² (σ²_prompt Σ n² / N² + σ²_seed / N) over the categories, in its variance.

    n is the number of images of a prompt, N that of all. σ² are the one-way ANOVA estimates for prompts with different
    numbers of images (Searle, Casella & McCulloch, *Variance Components*, 1992, section 3.6).

    Args:
        values: A score or difference for each sample, NaN where it is missing.
        items: The prompt id of each sample.
        categories: The category of each sample.
        weights: Category → its weight.
        judge: The part that is due to the judge (:func:`evalharness.analysis.agreement.reply_variance`); NaN if it was
            not asked repeatedly.
    """
    prompts, seeds, samples, clusters = 0.0, 0.0, 0, 0
    table = np.asarray(values, dtype=float)
    squares = np.stack([table, table**2], axis=1)
    for stratum in strata(squares, items, categories, [name for name, weight in weights.items() if weight]):
        between, within = _anova(stratum)
        prompts += weights[stratum.name] ** 2 * between
        seeds += weights[stratum.name] ** 2 * within
        samples, clusters = samples + int(stratum.counts[:, 0].sum()), clusters + int(stratum.prompts[0])
    if samples == clusters or math.isnan(seeds):
        return Components(prompts, math.nan, math.nan, samples / clusters if clusters else math.nan)
    judge = min(judge, seeds) if judge >= 0 else math.nan
    return Components(prompts, seeds - (0.0 if math.isnan(judge) else judge), judge, samples / clusters)


def needed(variance: Components, prompts: int, detectable: float, difference: float) -> Needed:
    """The number of prompts, or of images per prompt, that would show a paired difference of this size.

    More prompts of each category reduce all components alike, more images of each prompt only those of seeds and judge.

    Args:
        variance: The components of the present run.
        prompts: Its number of prompts.
        detectable: The difference that it can show.
        difference: The difference to be shown.

    >>> needed(Components(1e-4, 1e-4, math.nan, 2.0), 100, 0.04, 0.02).prompts
    400
    """
    if not detectable > 0:
        return Needed(difference, math.nan, math.nan)
    scale = (difference / detectable) ** 2
    more = math.ceil(prompts / scale - 1e-9)
    if math.isnan(variance.seeds):
        return Needed(difference, more, math.nan)
    left = variance.total * scale - variance.prompts
    if not left > 0:
        return Needed(difference, more, math.inf)
    images = variance.images * (variance.total - variance.prompts) / left
    return Needed(difference, more, max(1, math.ceil(images - 1e-9)))


def _anova(stratum: Stratum) -> tuple[float, float]:
    """The parts of the variance of the category's mean that are due to prompts and to seeds."""
    present = stratum.counts[:, 0] > 0
    counts, sums, squares = stratum.counts[present, 0], stratum.sums[present, 0], stratum.sums[present, 1]
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
