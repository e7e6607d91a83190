"""Replicates (arms whose models are trainings of one recipe), and contrasts between groups of them.

The unit of replication is the training, not the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.contrasts import possible_range
from evalharness.analysis.findings import ReplicateContrast, Replicates
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Estimate, Floats, Shares, Unpaired
from evalharness.config.analysis import ArmSettings, ReplicateGroup


def replicates(grid: Grid, groups: Sequence[ReplicateGroup], weights: Mapping[str, float]) -> Iterator[Replicates]:
    """Give the statistics of each group, over those of its arms that the benchmark has."""
    for name, arms in _arms_by_group(grid, groups).items():
        columns = _complete_columns(grid, arms)
        scores = _scores_of_all(grid, arms, weights)
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
    grid: Grid,
    groups: Sequence[ReplicateGroup],
    weights: Mapping[str, float],
    baseline: str | None,
    settings: ArmSettings,
) -> Iterator[ReplicateContrast]:
    """Compare each group with that of the baseline arm, or else with the first; p-values are not adjusted yet.

    ``settings`` are those of the arms, with their variant.
    """
    arms_by_group = _arms_by_group(grid, groups)
    first = next(iter(arms_by_group), "")
    reference = next((name for name, arms in arms_by_group.items() if baseline in arms), first)
    for name, arms in arms_by_group.items():
        if name != reference:
            sides = arms, arms_by_group[reference]
            yield _contrast(grid, (name, reference), sides, weights, _differing(settings, arms[0], sides[1][0]))


def _differing(settings: ArmSettings, first: str, second: str) -> tuple[str, ...]:
    """The settings in which two arms differ."""
    values = [settings.get(arm, {}) for arm in (first, second)]
    names = dict.fromkeys([*values[0], *values[1]])
    return tuple(name for name in names if values[0].get(name) != values[1].get(name))


def _contrast(
    grid: Grid,
    names: tuple[str, str],
    arms: tuple[tuple[str, ...], tuple[str, ...]],
    weights: Mapping[str, float],
    differing: tuple[str, ...],
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
        differing=differing,
        shares=_shares((first, second), over_trainings, difference, grid, weights),
        possible=possible_range(grid, *arms, weights),
    )


def _over_trainings(first: Sequence[float], second: Sequence[float]) -> Unpaired:
    """The difference of the mean scores of two groups, with a training as the unit.

    A single training says nothing of how others of its recipe would score, so it gets no interval.
    """
    if len(first) > 1 and len(second) > 1:
        return stats.welch(first, second)
    return Unpaired(Estimate(float(np.mean(first) - np.mean(second))))


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


def _shares(
    sides: tuple[Floats, Floats],
    over_trainings: Unpaired,
    difference: Floats,
    grid: Grid,
    weights: Mapping[str, float],
) -> Shares:
    """The parts of the variance of the difference of both means; NaN unless both groups have two trainings."""
    by_side = [stats.shares(side, grid.items, grid.categories, weights) for side in sides]
    images = sum(shares.images / side.shape[1] for shares, side in zip(by_side, sides, strict=True))
    if math.isnan(images) or math.isnan(over_trainings.degrees):
        return Shares()
    between, low, high = stats.between_part(over_trainings.difference.se**2, over_trainings.degrees, images)
    total = float(stats.clustered(difference, grid.items, grid.categories, weights)[1][0])
    return Shares(between, max(0.0, total - images), images, low, high)


def _scores_of_all(grid: Grid, arms: Sequence[str], weights: Mapping[str, float]) -> list[float]:
    """The scores of these arms over the samples that all have; an arm without a score takes none from the others."""
    scored = [arm for arm in arms if not math.isnan(_overall_scores(grid, _complete_columns(grid, [arm]), weights)[0])]
    if not scored:
        return [math.nan] * len(arms)
    scores = _overall_scores(grid, _complete_columns(grid, scored), weights)
    by_arm = dict(zip(scored, scores, strict=True))
    return [by_arm.get(arm, math.nan) for arm in arms]


def _overall_scores(grid: Grid, columns: Floats, weights: Mapping[str, float]) -> list[float]:
    return [float(score) for score in stats.clustered(columns, grid.items, grid.categories, weights)[0]]


def _arms_by_group(grid: Grid, groups: Sequence[ReplicateGroup]) -> dict[str, tuple[str, ...]]:
    """The arms of each group that the benchmark has; groups without any are left out."""
    arms = {group.name: tuple(arm for arm in group.arms if arm in grid.arms) for group in groups}
    return {name: members for name, members in arms.items() if members}


def _complete_columns(grid: Grid, arms: Sequence[str]) -> Floats:
    """The scores of these arms, (samples, arms); NaN for samples that not all of them have."""
    return stats.complete(np.stack([grid.column(arm) for arm in arms], axis=1))
