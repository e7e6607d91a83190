"""What a score costs, and what more images of a prompt would bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis import stats
from evalharness.analysis.findings import BestOf, CostPoint, Measure
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Floats, Scores

MEASURES: tuple[Measure, ...] = ("evaluations", "tokens", "seconds", "dollars")


def costs(grid: Grid, scores: Mapping[str, Scores], weights: Mapping[str, float]) -> list[CostPoint]:
    """Each arm's mean cost over the samples that were drawn, with an interval over prompts, beside its score."""
    drawn = grid.frame["state"].isin(["generated", "scored"])
    measures = [one for one in MEASURES if one != "dollars" or grid.frame[one].astype(float).gt(0).any()]
    tables = [grid.pivoted(grid.frame[measure].astype(float).where(drawn)) for measure in measures]
    # In the order of the weights, as of the scores: the draws are the same, and made once.
    shares = {name: float((grid.categories == name).mean()) for name in weights}
    found = stats.estimates(np.concatenate(tables, axis=1), grid.items, grid.categories, shares, limits=None)
    labels = [(arm, measure) for measure in measures for arm in grid.arms]
    return [
        CostPoint(arm, measure, one.overall, scores[arm].overall)
        for (arm, measure), one in zip(labels, found, strict=True)
    ]


def best_of(grid: Grid, weights: Mapping[str, float]) -> list[BestOf]:
    """For k = 1 … the number of images of a prompt, over the prompts that have a score for all of them."""
    images = int(grid.seeds.max(initial=0)) + 1
    if images < 2:
        return []
    items, place = np.unique(grid.items, return_inverse=True)
    categories = np.empty(len(items), dtype=object)
    categories[place] = grid.categories
    columns = [stats.best_of(_by_prompt(grid.column(arm), grid.seeds, place, len(items))) for arm in grid.arms]
    found = stats.estimates(np.concatenate(columns, axis=1), items, categories, weights)
    labels = [(arm, k) for arm in grid.arms for k in range(1, images + 1)]
    return [BestOf(arm, k, one.overall) for (arm, k), one in zip(labels, found, strict=True)]


def _by_prompt(values: Floats, seeds: npt.NDArray[Any], place: npt.NDArray[Any], prompts: int) -> Floats:
    table = np.full((prompts, int(seeds.max()) + 1), np.nan)
    table[place, seeds] = values
    return table
