"""Paired differences between arms."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.findings import Contrast, Correction, Flips
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Floats, Scores
from evalharness.types.score import is_right

Pair = tuple[str, str]
"""An arm and the arm that it is compared with."""


def contrasts(
    grid: Grid,
    pairs: Sequence[Pair],
    weights: Mapping[str, float],
    *,
    declared: Collection[Pair] = (),
    preregistered: Collection[Pair] = (),
    judge: Mapping[str, float] | None = None,
) -> list[Contrast]:
    """The contrasts of all pairs whose arms the benchmark has; p-values are not adjusted yet.

    Args:
        grid: The benchmark's scores.
        pairs: The arms to compare.
        weights: Category → its weight in the overall score.
        declared: The pairs that the sweep file declares.
        preregistered: Those of them that it declared before the run, which are confirmatory.
        judge: Arm → the variance of its overall score that is due to the judge, for arms that were judged repeatedly.
    """
    pairs = [pair for pair in pairs if set(pair) <= set(grid.arms)]
    if not pairs:
        return []
    columns = np.stack([grid.difference(*pair) for pair in pairs], axis=1)
    scores = stats.estimates(columns, grid.items, grid.categories, weights, limits=(-1.0, 1.0))
    p_values = stats.sign_flip(columns, grid.items, grid.categories, weights)
    found = []
    for pair, column, pair_scores, p in zip(pairs, columns.T, scores, p_values, strict=True):
        noise = sum(judge.get(arm, math.nan) for arm in pair) if judge else math.nan
        variance = stats.components(column, grid.items, grid.categories, weights, judge=noise)
        contrast = _contrast(grid, pair, weights, scores=pair_scores, variance=variance, p=float(p))
        early = pair in preregistered
        correction: Correction = "holm" if early else "benjamini-hochberg"
        found.append(replace(contrast, declared=pair in declared, preregistered=early, correction=correction))
    return found


def possible_range(
    grid: Grid, arms: Sequence[str], against: Sequence[str], weights: Mapping[str, float]
) -> tuple[float, float]:
    """The range of the mean difference of two groups of arms over all scores that what is missing could have.

    A sample that an arm does not plan is not missing: it makes no pair.
    """
    places = [grid.arms.index(arm) for arm in (*arms, *against)]
    paired = grid.planned[:, places].all(axis=1)
    categories = grid.categories[paired]
    first, second = (
        np.mean(
            [stats.bounds(grid.column(arm)[paired], categories, weights, grid.score_range) for arm in group], axis=0
        )
        for group in (arms, against)
    )
    return float(first[0] - second[1]), float(first[1] - second[0])


def _contrast(
    grid: Grid, pair: Pair, weights: Mapping[str, float], *, scores: Scores, variance: stats.Components, p: float
) -> Contrast:
    first, second = (grid.column(arm) for arm in pair)
    flips = count_flips(first, second)
    flips_by_category = {
        name: count_flips(first[inside], second[inside])
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
        preregistered=False,
        correction="benjamini-hochberg",
        family=1,
        mcnemar=_mcnemar(grid, pair, scores, flips),
        flips=flips,
        flips_by_category=flips_by_category,
        variance=variance,
        detectable=math.nan,
        needed=(),
        possible=possible_range(grid, pair[:1], pair[1:], weights),
        differing_images=grid.differing_images(*pair),
    )


def count_flips(first: Floats, second: Floats) -> Flips:
    """What became of the images that both have a score of; ``first`` is the arm, ``second`` what it is held against."""
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[both], second[both]
    first_right, second_right = is_right(first), is_right(second)
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
