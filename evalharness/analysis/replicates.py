"""Replicates (arms whose models are trainings of one recipe), and contrasts between groups of them.

The unit of replication is the training, not the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.findings import ReplicateContrast, Replicates
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Estimate, Floats, Shares, Unpaired
from evalharness.config.analysis import ReplicateGroup


def replicates(grid: Grid, groups: Sequence[ReplicateGroup], weights: Mapping[str, float]) -> Iterator[Replicates]:
    """Give the statistics of each group, over those of its arms that the benchmark has."""
    for name, arms in _arms_by_group(grid, groups).items():
        columns = _complete_columns(grid, arms)
        scores = _overall_scores(grid, columns, weights)
        yield Replicates(
            benchmark=grid.benchmark,
            name=name,
            arms=arms,
            scores=tuple(scores),
            mean=stats.mean_of(scores),
            deviation=stats.deviation(scores),
            shares=stats.shares(columns, grid.items, grid.categories, weights),
        )


def replicate_contrasts(
    grid: Grid, groups: Sequence[ReplicateGroup], weights: Mapping[str, float], baseline: str | None
) -> Iterator[ReplicateContrast]:
    """Compare each group with that of the baseline arm, or else with the first; p-values are not adjusted yet."""
    arms_by_group = _arms_by_group(grid, groups)
    first = next(iter(arms_by_group), "")
    reference = next((name for name, arms in arms_by_group.items() if baseline in arms), first)
    for name, arms in arms_by_group.items():
        if name != reference:
            yield _contrast(grid, (name, reference), (arms, arms_by_group[reference]), weights)


def _contrast(
    grid: Grid, names: tuple[str, str], arms: tuple[tuple[str, ...], tuple[str, ...]], weights: Mapping[str, float]
) -> ReplicateContrast:
    size = len(arms[0])
    columns = _complete_columns(grid, (*arms[0], *arms[1]))
    first, second = columns[:, :size], columns[:, size:]
    scores = _overall_scores(grid, columns, weights)
    over_trainings = _over_trainings(scores[:size], scores[size:])
    difference = first.mean(axis=1) - second.mean(axis=1)
    over_prompts = stats.estimate(difference, grid.items, grid.categories, weights, limits=(-1.0, 1.0)).overall
    estimate = Estimate(
        over_trainings.difference.value,
        over_trainings.difference.low,
        over_trainings.difference.high,
        over_trainings.difference.se,
        over_prompts.prompts,
        over_prompts.samples,
    )
    single = [len(group) == 1 for group in arms]
    return ReplicateContrast(
        benchmark=grid.benchmark,
        group=names[0],
        against=names[1],
        difference=estimate,
        degrees=over_trainings.degrees,
        p=over_trainings.p,
        p_adjusted=over_trainings.p,
        family=1,
        everywhere=_widened_by_prompts(estimate, over_prompts),
        assumed=names[single.index(False)] if any(single) and not all(single) else "",
        shares=_shares((first, second), difference, grid, weights),
    )


def _over_trainings(first: Sequence[float], second: Sequence[float]) -> Unpaired:
    """The difference of the mean scores of two groups, with a training as the unit."""
    if len(first) > 1 and len(second) > 1:
        return stats.welch(first, second)
    if len(second) > 1:
        return stats.single_against(first[0], second)
    if len(first) > 1:
        reverse = stats.single_against(second[0], first)
        difference = reverse.difference
        return Unpaired(
            Estimate(-difference.value, -difference.high, -difference.low, difference.se), reverse.degrees, reverse.p
        )
    return Unpaired(Estimate(first[0] - second[0]))


def _widened_by_prompts(trainings: Estimate, prompts: Estimate) -> Estimate:
    """The interval over trainings, widened by that over prompts.

    Distances to the ends add as squares (Zou & Donner, *Statistics in Medicine* 27, 2008). Both intervals contain the
    noise of the images, so the result is conservative.
    """
    value = trainings.value
    if math.isnan(trainings.low) or math.isnan(prompts.low):
        return Estimate(value)
    below = math.hypot(value - trainings.low, prompts.value - prompts.low)
    above = math.hypot(trainings.high - value, prompts.high - prompts.value)
    error = math.hypot(trainings.se, prompts.se)
    return Estimate(value, value - below, value + above, error, prompts.prompts, prompts.samples)


def _shares(sides: tuple[Floats, Floats], difference: Floats, grid: Grid, weights: Mapping[str, float]) -> Shares:
    """The parts of the variance of the difference of both means. A single training is assumed to vary as the others."""
    by_side = [stats.shares(side, grid.items, grid.categories, weights) for side in sides]
    estimated = [shares for shares in by_side if not math.isnan(shares.images)]
    if not estimated:
        return Shares()
    by_side = [estimated[0] if math.isnan(shares.images) else shares for shares in by_side]
    counts = [side.shape[1] for side in sides]
    trainings = sum(shares.trainings / count for shares, count in zip(by_side, counts, strict=True))
    images = sum(shares.images / count for shares, count in zip(by_side, counts, strict=True))
    total = float(stats.clustered(difference, grid.items, grid.categories, weights)[1][0])
    return Shares(trainings, max(0.0, total - images), images)


def _overall_scores(grid: Grid, columns: Floats, weights: Mapping[str, float]) -> list[float]:
    return [float(score) for score in stats.clustered(columns, grid.items, grid.categories, weights)[0]]


def _arms_by_group(grid: Grid, groups: Sequence[ReplicateGroup]) -> dict[str, tuple[str, ...]]:
    """The arms of each group that the benchmark has; groups without any are left out."""
    arms = {group.name: tuple(arm for arm in group.arms if arm in grid.arms) for group in groups}
    return {name: members for name, members in arms.items() if members}


def _complete_columns(grid: Grid, arms: Sequence[str]) -> Floats:
    """The scores of these arms, (samples, arms); NaN for samples that not all of them have."""
    return stats.complete(np.stack([grid.column(arm) for arm in arms], axis=1))
