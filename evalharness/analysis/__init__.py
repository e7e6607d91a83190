"""From the scores of a run to what can be said about its arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.agreement import reply_variance
from evalharness.analysis.arms import baseline
from evalharness.analysis.contrasts import contrasts, trends
from evalharness.analysis.costs import best_of, costs
from evalharness.analysis.declared import Declared, declared
from evalharness.analysis.findings import (
    Analysis,
    BestOf,
    Contrast,
    CostPoint,
    Flips,
    RecipeContrast,
    Replicates,
    Trend,
)  # fmt: skip
from evalharness.analysis.grid import Grid, grid
from evalharness.analysis.recipes import recipe_contrasts, recipes
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Analysis",
    "BestOf",
    "Contrast",
    "CostPoint",
    "Flips",
    "RecipeContrast",
    "Replicates",
    "Trend",
    "adjusted",
    "analyse",
    "category_weights",
]


def analyse(results: Results) -> dict[str, Analysis]:
    """An analysis of each benchmark that has samples, in the order of the sweep file.

    p-values are adjusted over the whole run: what the sweep file declares confirmatory, on all benchmarks, is one
    family, all other contrasts another, those between recipes a third.
    """
    said = declared(results)
    seen = set(results.samples["benchmark"].unique())
    found = {name: _analysis(results, name, said) for name in results.info["benchmarks"] if name in seen}
    return _adjusted(found)


def category_weights(results: Results, benchmark: str) -> dict[str, float]:
    """The benchmark's weights in its order, then categories that have none (weight 0)."""
    weights = {str(name): float(weight) for name, weight in results.info["benchmarks"][benchmark]["weights"].items()}
    seen = results.samples.loc[results.samples["benchmark"] == benchmark, "category"].unique()
    return weights | dict.fromkeys(sorted(set(seen) - set(weights)), 0.0)


def _analysis(results: Results, benchmark: str, said: Declared) -> Analysis:
    table, weights = grid(results, benchmark), category_weights(results, benchmark)
    scores = dict(zip(table.arms, stats.estimates(table.scores, table.items, table.categories, weights), strict=True))
    judge = _judge_variance(results.checks, table, weights)
    variance = {
        arm: stats.components(table.column(arm), table.items, table.categories, weights, judge=judge.get(arm, 0.0))
        for arm in table.arms
    }
    return Analysis(
        benchmark=benchmark,
        baseline=baseline(results.arms),
        weights=weights,
        scores=scores,
        variance=variance,
        contrasts=tuple(contrasts(table, said, weights, judge)),
        trends=tuple(trends(table, said.trends, weights)),
        costs=tuple(costs(table, scores, weights)),
        best_of=tuple(best_of(table, weights)),
        recipes=tuple(recipes(table, said.replicates, weights)),
        recipe_contrasts=tuple(recipe_contrasts(table, said.replicates, weights, baseline(results.arms))),
    )


def _judge_variance(checks: pd.DataFrame | None, table: Grid, weights: Mapping[str, float]) -> dict[str, float]:
    """The part of each arm's variance that is the judge's mood, where the same judge was asked again."""
    again = None if checks is None else checks[(checks["benchmark"] == table.benchmark) & (checks["kind"] == "repeat")]
    if again is None or again.empty:
        return {}
    sample = ["arm", "item", "seed_index", "category", "score"]
    wide = again.pivot(index=sample, columns="check", values="other").reset_index()
    found = {}
    for arm, own in wide.groupby("arm"):
        present = table.categories[~np.isnan(table.column(str(arm)))]
        counts = {name: int((present == name).sum()) for name in weights}
        values = own[["score", *again["check"].unique()]].to_numpy(dtype=float)
        variance = reply_variance(values, own["category"], weights, counts)
        if not math.isnan(variance):
            found[str(arm)] = variance
    return found


def adjusted(found: Sequence[Contrast], trended: Sequence[Trend] = ()) -> list[Contrast]:
    """The contrasts with adjusted p-values: the confirmatory ones, with the trends, by Holm, the others by Benjamini
    and Hochberg."""
    holm, rates = _corrected(found, trended)
    ranks = {True: iter(holm), False: iter(rates)}
    sizes = {True: len(holm), False: len(rates)}
    return [replace(one, p_adjusted=next(ranks[one.confirmatory]), family=sizes[one.confirmatory]) for one in found]


def _corrected(found: Sequence[Contrast], trended: Sequence[Trend]) -> tuple[list[float], list[float]]:
    """Those of the confirmatory contrasts and then of the trends; those of the other contrasts."""
    holm = stats.holm([*(one.p for one in found if one.confirmatory), *(one.p for one in trended)])
    rates = stats.benjamini_hochberg([one.p for one in found if not one.confirmatory])
    return holm.tolist(), rates.tolist()


def _adjusted(found: Mapping[str, Analysis]) -> dict[str, Analysis]:
    contrasts_ = [one for analysis in found.values() for one in analysis.contrasts]
    trended = [one for analysis in found.values() for one in analysis.trends]
    holm, _ = _corrected(contrasts_, trended)
    new, rest = iter(adjusted(contrasts_, trended)), iter(holm[len(holm) - len(trended) :])
    between = [one for analysis in found.values() for one in analysis.recipe_contrasts]
    tested = sum(not math.isnan(one.p) for one in between)
    corrected = iter(stats.holm([one.p for one in between]).tolist())
    return {
        name: replace(
            analysis,
            contrasts=tuple(next(new) for _ in analysis.contrasts),
            trends=tuple(replace(one, p_adjusted=next(rest), family=len(holm)) for one in analysis.trends),
            recipe_contrasts=tuple(
                replace(one, p_adjusted=next(corrected), family=tested) for one in analysis.recipe_contrasts
            ),
        )
        for name, analysis in found.items()
    }
