"""Trainings of a recipe, and recipes against each other: the training is the unit of replication."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.findings import RecipeContrast, Replicates
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Estimate, Floats, Shares, Unpaired

ReplicateArms = Mapping[str, tuple[str, ...]]


def recipes(grid: Grid, said: ReplicateArms, weights: Mapping[str, float]) -> Iterator[Replicates]:
    """All that were declared, as far as the benchmark has their arms."""
    for name, arms in _here(grid, said).items():
        columns = _columns(grid, arms)
        scores = [float(one) for one in stats.clustered(columns, grid.items, grid.categories, weights)[0]]
        parts = stats.shares(columns, grid.items, grid.categories, weights)
        yield Replicates(
            grid.benchmark, name, arms, tuple(scores), stats.mean_of(scores), stats.deviation(scores), parts
        )


def recipe_contrasts(
    grid: Grid, said: ReplicateArms, weights: Mapping[str, float], baseline: str | None
) -> Iterator[RecipeContrast]:
    """Each recipe against that of the baseline arm, or else the first; p-values are not adjusted yet."""
    here = _here(grid, said)
    reference = next((name for name, arms in here.items() if baseline in arms), next(iter(here), ""))
    for name in here:
        if name != reference:
            yield _contrast(grid, (name, reference), (here[name], here[reference]), weights)


def _contrast(
    grid: Grid, names: tuple[str, str], arms: tuple[tuple[str, ...], tuple[str, ...]], weights: Mapping[str, float]
) -> RecipeContrast:
    first, second = arms
    columns = _columns(grid, (*first, *second))
    own, other = columns[:, : len(first)], columns[:, len(first) :]
    labels = grid.items, grid.categories
    scores = [float(one) for one in stats.clustered(columns, *labels, weights)[0]]
    found = _over_trainings(scores[: len(first)], scores[len(first) :])
    gap = own.mean(axis=1) - other.mean(axis=1)
    over_prompts = stats.estimate(gap, *labels, weights, limits=(-1.0, 1.0)).overall
    difference = found.difference
    counted = Estimate(
        difference.value, difference.low, difference.high, difference.se, over_prompts.prompts, over_prompts.samples
    )
    single = [len(one) == 1 for one in arms]
    return RecipeContrast(
        benchmark=grid.benchmark,
        recipe=names[0],
        against=names[1],
        difference=counted,
        degrees=found.degrees,
        p=found.p,
        p_adjusted=found.p,
        family=1,
        everywhere=_both(counted, over_prompts),
        assumed="" if all(single) or not any(single) else names[single.index(False)],
        shares=_shares((own, other), gap, grid, weights),
    )


def _over_trainings(first: Sequence[float], second: Sequence[float]) -> Unpaired:
    if len(first) > 1 and len(second) > 1:
        return stats.welch(first, second)
    if len(second) > 1:
        return stats.single_against(first[0], second)
    if len(first) > 1:
        found = stats.single_against(second[0], first)
        turned = found.difference
        return Unpaired(Estimate(-turned.value, -turned.high, -turned.low, turned.se), found.degrees, found.p)
    return Unpaired(Estimate(first[0] - second[0]))


def _both(trainings: Estimate, prompts: Estimate) -> Estimate:
    """Distances to the ends add as squares (Zou & Donner, 2008). What the images add stands in both, so that this is
    rather too wide."""
    value = trainings.value
    if math.isnan(trainings.low) or math.isnan(prompts.low):
        return Estimate(value)
    below = math.hypot(value - trainings.low, prompts.value - prompts.low)
    above = math.hypot(trainings.high - value, prompts.high - prompts.value)
    error = math.hypot(trainings.se, prompts.se)
    return Estimate(value, value - below, value + above, error, prompts.prompts, prompts.samples)


def _shares(sides: tuple[Floats, Floats], gap: Floats, grid: Grid, weights: Mapping[str, float]) -> Shares:
    """Of the variance of the difference of both means. A single training is taken to vary as the others do."""
    own = [stats.shares(side, grid.items, grid.categories, weights) for side in sides]
    known = [one for one in own if not math.isnan(one.images)]
    if not known:
        return Shares()
    parts = [known[0] if math.isnan(one.images) else one for one in own]
    counts = [side.shape[1] for side in sides]
    trainings = sum(one.trainings / count for one, count in zip(parts, counts, strict=True))
    images = sum(one.images / count for one, count in zip(parts, counts, strict=True))
    whole = float(stats.clustered(gap, grid.items, grid.categories, weights)[1][0])
    return Shares(trainings, max(0.0, whole - images), images)


def _here(grid: Grid, said: ReplicateArms) -> dict[str, tuple[str, ...]]:
    found = {name: tuple(arm for arm in arms if arm in grid.arms) for name, arms in said.items()}
    return {name: arms for name, arms in found.items() if arms}


def _columns(grid: Grid, arms: Sequence[str]) -> Floats:
    """The scores of these arms, of the samples that all of them have."""
    return stats.complete(np.stack([grid.column(arm) for arm in arms], axis=1))
