"""Paired differences between arms, and trends along them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.findings import Contrast, Flips, Trend
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Floats, Scores
from evalharness.config.analysis import PlannedTrend

Pair = tuple[str, str]
"""An arm and the arm that it is compared with."""

NEEDED = (0.01, 0.02, 0.04)
"""Differences for which a contrast says how large a run would have to be to show them."""


def contrasts(
    grid: Grid,
    pairs: Sequence[Pair],
    weights: Mapping[str, float],
    *,
    preregistered: Collection[Pair] = (),
    judge: Mapping[str, float] | None = None,
) -> list[Contrast]:
    """The contrasts of all pairs whose arms the benchmark has; p-values are not adjusted yet.

    Args:
        grid: The benchmark's scores.
        pairs: The arms to compare.
        weights: Category → its weight in the overall score.
        preregistered: The pairs that are confirmatory.
        judge: Arm → the variance of its overall score that is due to the judge.
    """
    pairs = [pair for pair in pairs if set(pair) <= set(grid.arms)]
    if not pairs:
        return []
    columns = np.stack([grid.difference(*pair) for pair in pairs], axis=1)
    scores = stats.estimates(columns, grid.items, grid.categories, weights, limits=(-1.0, 1.0))
    p_values = stats.sign_flip(columns, grid.items, grid.categories, weights)
    judge = judge or {}
    return [
        _contrast(
            grid,
            pair,
            scores=pair_scores,
            variance=stats.components(
                column, grid.items, grid.categories, weights, judge=sum(judge.get(arm, 0.0) for arm in pair)
            ),
            p=float(p),
            preregistered=pair in preregistered,
        )
        for pair, column, pair_scores, p in zip(pairs, columns.T, scores, p_values, strict=True)
    ]


def trends(grid: Grid, planned: Sequence[PlannedTrend], weights: Mapping[str, float]) -> list[Trend]:
    """The planned trends whose arms the benchmark has; p-values are not adjusted yet."""
    return [_trend(grid, trend, weights) for trend in planned if set(trend.arms) <= set(grid.arms)]


def _contrast(
    grid: Grid, pair: Pair, *, scores: Scores, variance: stats.Components, p: float, preregistered: bool
) -> Contrast:
    first, second = (grid.column(arm) for arm in pair)
    flips = _flips(first, second)
    flips_by_category = {
        name: _flips(first[inside], second[inside])
        for name in scores.categories
        if (inside := grid.categories == name).any()
    }
    return Contrast(
        benchmark=grid.benchmark,
        arm=pair[0],
        baseline=pair[1],
        difference=scores.overall,
        categories=scores.categories,
        p=p,
        p_adjusted=p,
        preregistered=preregistered,
        correction="holm" if preregistered else "benjamini-hochberg",
        family=1,
        mcnemar=_mcnemar(grid, pair, scores, flips),
        flips=flips,
        flips_by_category=flips_by_category,
        variance=variance,
        detectable=stats.detectable(scores.overall.se),
        needed=tuple(stats.needed(variance, scores.prompts, difference) for difference in NEEDED),
    )


def _flips(first: Floats, second: Floats) -> Flips:
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[both], second[both]
    first_right, second_right = first == 1, second == 1
    return Flips(
        fixed=int((first_right & ~second_right).sum()),
        broken=int((~first_right & second_right).sum()),
        both_right=int((first_right & second_right).sum()),
        both_wrong=int((~first_right & ~second_right).sum()),
        better=int((first > second).sum()),
        worse=int((first < second).sum()),
    )


def _mcnemar(grid: Grid, pair: Pair, scores: Scores, flips: Flips) -> float:
    """The p-value of McNemar's test; NaN unless each prompt has one image and all scores are 0 or 1."""
    values = np.stack([grid.column(arm) for arm in pair])
    values = values[~np.isnan(values)]
    if not scores.samples or scores.samples != scores.prompts or not np.isin(values, (0.0, 1.0)).all():
        return math.nan
    return stats.mcnemar(flips.fixed, flips.broken)


def _trend(grid: Grid, planned: PlannedTrend, weights: Mapping[str, float]) -> Trend:
    """Estimate a trend. The slope of a row is Σ (x - mean x) score / Σ (x - mean x)²; NaN if the row lacks an arm."""
    values = np.array(planned.values)
    factors = (values - values.mean()) / ((values - values.mean()) ** 2).sum()
    slopes = np.stack([grid.column(arm) for arm in planned.arms], axis=1) @ factors
    limit = float(factors[factors > 0].sum())
    estimate = stats.estimate(slopes, grid.items, grid.categories, weights, limits=(-limit, limit)).overall
    p = float(stats.sign_flip(slopes, grid.items, grid.categories, weights)[0])
    return Trend(
        benchmark=grid.benchmark,
        arms=planned.arms,
        over=planned.over,
        values=planned.values,
        slope=estimate,
        p=p,
        p_adjusted=p,
        family=1,
    )
