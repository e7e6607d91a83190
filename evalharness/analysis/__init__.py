"""From the scores of a run to what can be said about its arms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evalharness import stats
from evalharness.agreement import reply_variance
from evalharness.analysis.contrasts import contrasts, trends
from evalharness.analysis.costs import best_of, costs
from evalharness.analysis.declared import Declared, declared
from evalharness.analysis.findings import Analysis, BestOf, Contrast, CostPoint, Flips, Trend
from evalharness.analysis.grid import Grid, grid
from evalharness.report.arms import baseline
from evalharness.results import Results

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Analysis", "BestOf", "Contrast", "CostPoint", "Flips", "Trend", "analyse", "category_weights"]


def analyse(results: Results) -> dict[str, Analysis]:
    """An analysis of each benchmark that has samples, in the order of the sweep file.

    p-values are adjusted over the whole run: what the sweep file declares confirmatory, on all benchmarks, is one
    family, all other contrasts another.
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
        costs=tuple(costs(table, scores)),
        best_of=tuple(best_of(table, weights)),
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


def _adjusted(found: Mapping[str, Analysis]) -> dict[str, Analysis]:
    one_by_one = [contrast for analysis in found.values() for contrast in analysis.contrasts]
    tested = [contrast for contrast in one_by_one if contrast.confirmatory]
    others = [contrast for contrast in one_by_one if not contrast.confirmatory]
    trended = [trend for analysis in found.values() for trend in analysis.trends]
    holm = stats.holm([*(one.p for one in tested), *(one.p for one in trended)]).tolist()
    rates = stats.benjamini_hochberg([one.p for one in others]).tolist()
    family = len(holm)
    new: dict[tuple[str, str, str], Contrast] = {}
    for one, p in [*zip(tested, holm, strict=False), *zip(others, rates, strict=True)]:
        size = family if one.confirmatory else len(others)
        new[one.benchmark, one.arm, one.baseline] = replace(one, p_adjusted=p, family=size)
    tail = dict(zip(((id(one)) for one in trended), holm[len(tested) :], strict=True))
    return {
        name: replace(
            analysis,
            contrasts=tuple(new[one.benchmark, one.arm, one.baseline] for one in analysis.contrasts),
            trends=tuple(replace(one, p_adjusted=tail[id(one)], family=family) for one in analysis.trends),
        )
        for name, analysis in found.items()
    }
