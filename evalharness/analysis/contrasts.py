"""Paired differences between arms, and trends along them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.declared import Declared, DeclaredTrend, Pair
from evalharness.analysis.findings import Contrast, Flips, Trend
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Floats, Scores

NEEDED = (0.01, 0.02, 0.04)
"""Differences for which a contrast says what would show them."""


def contrasts(grid: Grid, said: Declared, weights: Mapping[str, float], judge: Mapping[str, float]) -> list[Contrast]:
    """Of all pairs whose arms the benchmark has; p-values are not adjusted yet. ``judge``: variance by arm."""
    pairs = [pair for pair in said.pairs if set(pair) <= set(grid.arms)]
    if not pairs:
        return []
    columns = np.stack([grid.difference(*pair) for pair in pairs], axis=1)
    found = stats.estimates(columns, grid.items, grid.categories, weights, limits=(-1.0, 1.0))
    p_values = stats.sign_flip(columns, grid.items, grid.categories, weights)
    return [
        _contrast(grid, pair, column, scores, float(p), pair in said.confirmatory, weights, judge)
        for pair, column, scores, p in zip(pairs, columns.T, found, p_values, strict=True)
    ]


def _contrast(
    grid: Grid,
    pair: Pair,
    column: Floats,
    scores: Scores,
    p: float,
    confirmatory: bool,
    weights: Mapping[str, float],
    judge: Mapping[str, float],
) -> Contrast:
    mood = sum(judge.get(arm, 0.0) for arm in pair)
    parts = stats.components(column, grid.items, grid.categories, weights, judge=mood)
    by_category = {
        name: _flips(grid.column(pair[0])[inside], grid.column(pair[1])[inside])
        for name in weights
        if (inside := grid.categories == name).any()
    }
    flips = _flips(grid.column(pair[0]), grid.column(pair[1]))
    return Contrast(
        benchmark=grid.benchmark,
        arm=pair[0],
        baseline=pair[1],
        difference=scores.overall,
        categories=scores.categories,
        p=p,
        p_adjusted=p,
        confirmatory=confirmatory,
        correction="holm" if confirmatory else "benjamini-hochberg",
        family=1,
        mcnemar=_mcnemar(grid, pair, scores, flips),
        flips=flips,
        flips_by_category=by_category,
        variance=parts,
        detectable=stats.detectable(scores.overall.se),
        needed=tuple(stats.needed(parts, scores.prompts, difference) for difference in NEEDED),
    )


def _flips(own: Floats, other: Floats) -> Flips:
    both = ~np.isnan(own) & ~np.isnan(other)
    own, other = own[both], other[both]
    right, before = own == 1, other == 1
    return Flips(
        fixed=int((right & ~before).sum()),
        broken=int((~right & before).sum()),
        both_right=int((right & before).sum()),
        both_wrong=int((~right & ~before).sum()),
        better=int((own > other).sum()),
        worse=int((own < other).sum()),
    )


def _mcnemar(grid: Grid, pair: Pair, scores: Scores, flips: Flips) -> float:
    values = np.stack([grid.column(arm) for arm in pair])
    values = values[~np.isnan(values)]
    if not scores.samples or scores.samples != scores.prompts or not np.isin(values, (0.0, 1.0)).all():
        return math.nan
    return stats.mcnemar(flips.fixed, flips.broken)


def trends(grid: Grid, said: Sequence[DeclaredTrend], weights: Mapping[str, float]) -> list[Trend]:
    """Of all declared trends whose arms the benchmark has."""
    return [_trend(grid, one, weights) for one in said if set(one.arms) <= set(grid.arms)]


def _trend(grid: Grid, said: DeclaredTrend, weights: Mapping[str, float]) -> Trend:
    """The slope of a row is Σ (x - mean x) score / Σ (x - mean x)²; a row that lacks an arm has none."""
    values = np.array(said.values)
    factors = (values - values.mean()) / ((values - values.mean()) ** 2).sum()
    rows = np.stack([grid.column(arm) for arm in said.arms], axis=1) @ factors
    reach = float(factors[factors > 0].sum())
    found = stats.estimate(rows, grid.items, grid.categories, weights, limits=(-reach, reach)).overall
    p = float(stats.sign_flip(rows, grid.items, grid.categories, weights)[0])
    return Trend(grid.benchmark, said.arms, said.over, said.values, found, p, p, 1)
