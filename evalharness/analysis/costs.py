"""The cost of a score, and the gain from drawing more images per prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis import stats
from evalharness.analysis.findings import BestOf, CostPoint, Measure
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Estimate, Floats

MEASURES: tuple[Measure, ...] = ("evaluations", "tokens", "seconds", "dollars")


def costs(grid: Grid, scores: Mapping[str, Estimate], weights: Mapping[str, float]) -> list[CostPoint]:
    """Each arm's mean cost per drawn sample, with an interval over prompts, beside its overall score.

    Dollars are left out if nothing cost any.
    """
    drawn = grid.frame["state"].isin(["generated", "scored"])
    paid = grid.frame["dollars"].astype(float).gt(0).any()
    measures = [measure for measure in MEASURES if measure != "dollars" or paid]
    tables = [grid.pivoted(grid.frame[measure].astype(float).where(drawn)) for measure in measures]
    shares = {name: float((grid.categories == name).mean()) for name in weights}
    means = stats.estimates(np.concatenate(tables, axis=1), grid.items, grid.categories, shares, limits=None)
    labels = [(arm, measure) for measure in measures for arm in grid.arms]
    return [
        CostPoint(arm, measure, mean.overall, scores[arm]) for (arm, measure), mean in zip(labels, means, strict=True)
    ]


def best_of(grid: Grid, weights: Mapping[str, float]) -> list[BestOf]:
    """The score of the best of k images, for k from 1 to the number of images of a prompt.

    Over the prompts that have a score for all images; empty if prompts have a single image.
    """
    images = int(grid.seeds.max(initial=0)) + 1
    if images < 2:
        return []
    items, prompt_of_row = np.unique(grid.items, return_inverse=True)
    categories = np.empty(len(items), dtype=object)
    categories[prompt_of_row] = grid.categories
    columns = [stats.best_of(_by_prompt(grid.column(arm), grid.seeds, prompt_of_row, len(items))) for arm in grid.arms]
    scores = stats.estimates(np.concatenate(columns, axis=1), items, categories, weights)
    labels = [(arm, k) for arm in grid.arms for k in range(1, images + 1)]
    return [BestOf(arm, k, score.overall) for (arm, k), score in zip(labels, scores, strict=True)]


def _by_prompt(values: Floats, seeds: npt.NDArray[Any], prompt_of_row: npt.NDArray[Any], prompts: int) -> Floats:
    """The values (rows,) as (prompts, seeds), NaN where there is none."""
    table = np.full((prompts, int(seeds.max()) + 1), np.nan)
    table[prompt_of_row, seeds] = values
    return table
