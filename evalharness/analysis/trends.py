"""The course of the score over arms of rising values of a setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.contrasts import possible_range
from evalharness.analysis.findings import Trend, TrendStep
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Estimate, Floats
from evalharness.config.analysis import PlannedTrend


def trends(grid: Grid, planned: Mapping[PlannedTrend, bool], weights: Mapping[str, float]) -> list[Trend]:
    """The planned trends whose arms the benchmark has, with whether each is preregistered.

    The p-values of the trends are not adjusted yet, those of their steps are.
    """
    return [
        _trend(grid, trend, weights, preregistered=early)
        for trend, early in planned.items()
        if set(trend.arms) <= set(grid.arms)
    ]


def _trend(grid: Grid, planned: PlannedTrend, weights: Mapping[str, float], *, preregistered: bool) -> Trend:
    """The slope of a row is Σ (x - mean x) score / Σ (x - mean x)²; NaN if the row lacks an arm."""
    values = np.array(planned.values)
    factors = (values - values.mean()) / ((values - values.mean()) ** 2).sum()
    columns = stats.complete(np.stack([grid.column(arm) for arm in planned.arms], axis=1))
    slopes = columns @ factors
    limit = float(factors[factors > 0].sum())
    slope = stats.estimate(slopes, grid.items, grid.categories, weights, limits=(-limit, limit)).overall
    p = float(stats.sign_flip(slopes, grid.items, grid.categories, weights)[0])
    gaps, p_values = _differences(grid, np.diff(columns, axis=1), weights)
    return Trend(
        benchmark=grid.benchmark,
        arms=planned.arms,
        over=planned.over,
        values=planned.values,
        total=_differences(grid, columns[:, -1:] - columns[:, :1], weights)[0][0],
        slope=slope,
        p=p,
        p_adjusted=p,
        family=1,
        steps=tuple(
            TrendStep(start, end, gap, own, adjusted)
            for start, end, gap, own, adjusted in zip(
                planned.values[:-1], planned.values[1:], gaps, p_values, stats.holm(p_values).tolist(), strict=True
            )
        ),
        plateau=_plateau(grid, columns, planned.values, weights),
        possible=possible_range(grid, planned.arms[-1:], planned.arms[:1], weights),
        preregistered=preregistered,
    )


def _plateau(grid: Grid, columns: Floats, values: Sequence[float], weights: Mapping[str, float]) -> float:
    """The smallest value from which on no arm is told apart from the last, with p-values by Holm; NaN for the last.

    NaN as well if a difference has no interval: an arm that cannot be weighed is not one that is alike.
    """
    gaps, p_values = _differences(grid, columns[:, -1:] - columns[:, :-1], weights)
    if any(gap.state != "known" for gap in gaps):
        return math.nan
    apart = [stats.significant(gap, p) for gap, p in zip(gaps, stats.holm(p_values).tolist(), strict=True)]
    start = max((place + 1 for place, different in enumerate(apart) if different), default=0)
    return values[start] if start < len(values) - 1 else math.nan


def _differences(grid: Grid, columns: Floats, weights: Mapping[str, float]) -> tuple[list[Estimate], list[float]]:
    """The overall value of each column of differences, and its p-value by sign flips."""
    scores = stats.estimates(columns, grid.items, grid.categories, weights, limits=(-1.0, 1.0))
    p_values = stats.sign_flip(columns, grid.items, grid.categories, weights).tolist()
    return [column.overall for column in scores], p_values
