"""The analysis of each benchmark of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.adjustment import adjust_analyses
from evalharness.analysis.agreement import reply_variance
from evalharness.analysis.arms import baseline, records, settings_by_arm, settings_of
from evalharness.analysis.aspects import aspects
from evalharness.analysis.contrasts import contrasts
from evalharness.analysis.costs import best_of, costs
from evalharness.analysis.coverage import coverages
from evalharness.analysis.diversity import diversity
from evalharness.analysis.findings import Analysis, known_scores
from evalharness.analysis.grid import Grid, grid
from evalharness.analysis.power import with_power
from evalharness.analysis.refinements import refinements
from evalharness.analysis.replicates import replicate_contrasts, replicates
from evalharness.analysis.trends import trends
from evalharness.config.analysis import Preregistration
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd


def analyse(results: Results) -> dict[str, Analysis]:
    """Analyse each benchmark that has samples, in the order of the sweep file.

    p-values are adjusted over the whole run, in three families: what the sweep file preregisters, on all benchmarks;
    all other contrasts; the contrasts between replicates. What a run could have shown follows from these families.
    """
    declared = _declared(results)
    sampled = set(results.samples["benchmark"].unique())
    grids = {name: grid(results, name) for name in results.info["benchmarks"] if name in sampled}
    adjusted = adjust_analyses({name: _analysis(results, table, declared) for name, table in grids.items()})
    return {
        name: replace(analysis, contrasts=with_power(analysis.contrasts, grids[name], analysis.weights))
        for name, analysis in adjusted.items()
    }


def category_weights(results: Results, benchmark: str) -> dict[str, float]:
    """The benchmark's weights in its order, then the categories that have none (weight 0)."""
    weights = {str(name): float(weight) for name, weight in results.info["benchmarks"][benchmark]["weights"].items()}
    categories = results.samples.loc[results.samples["benchmark"] == benchmark, "category"].unique()
    return weights | dict.fromkeys(sorted(set(categories) - set(weights)), 0.0)


def _declared(results: Results) -> Preregistration:
    """What the sweep file declared about the arms that this run has."""
    declared = results.info.get("sweep", {}).get("analysis") or {}
    return Preregistration.from_dict(declared, settings_by_arm(results.arms))


def _late(results: Results, benchmark: str) -> set[tuple[str, tuple[str, ...]]]:
    """Kind and arms of what was declared on a benchmark when scores of it may have been seen."""
    return {
        (fact["kind"], tuple(fact["arms"]))
        for fact in results.info.get("declarations", ())
        if fact["benchmark"] == benchmark and not fact["before"]
    }


def _analysis(results: Results, table: Grid, declared: Preregistration) -> Analysis:
    benchmark, weights = table.benchmark, category_weights(results, table.benchmark)
    late = _late(results, benchmark)
    scores = dict(zip(table.arms, stats.estimates(table.scores, table.items, table.categories, weights), strict=True))
    covered = coverages(results, benchmark)
    coverage = {arm: dict(covered[arm].by_category) for arm in table.arms}
    overall = {arm: known_scores(scores[arm], coverage[arm])[""] for arm in table.arms}
    judge = _judge_variance(results.checks, table, weights)
    variance = {
        arm: stats.components(table.column(arm), table.items, table.categories, weights, judge=judge.get(arm, math.nan))
        for arm in table.arms
    }
    reference = baseline(results.arms)
    settings = {str(row["arm"]): {"variant": row["variant"], **settings_of(row)} for row in records(results.arms)}
    planned = [(contrast.arm, contrast.against) for contrast in declared.contrasts]
    early = frozenset(pair for pair in planned if ("contrast", pair) not in late)
    late_groups = {group.name for group in declared.replicates if ("replicates", group.arms) in late}
    usual = [(str(arm), reference) for arm in results.arms["arm"] if reference is not None and arm != reference]
    pairs = list(dict.fromkeys([*usual, *planned]))
    return Analysis(
        benchmark=benchmark,
        baseline=reference,
        weights=weights,
        scores=scores,
        variance=variance,
        contrasts=tuple(contrasts(table, pairs, weights, declared=planned, preregistered=early, judge=judge)),
        trends=tuple(trends(table, {trend: ("trend", trend.arms) not in late for trend in declared.trends}, weights)),
        costs=tuple(costs(table, overall, weights)),
        best_of=tuple(best_of(table, weights)),
        replicates=tuple(replicates(table, declared.replicates, weights)),
        replicate_contrasts=tuple(
            replace(contrast, preregistered=not late_groups & {contrast.group, contrast.against})
            for contrast in replicate_contrasts(table, declared.replicates, weights, reference, settings)
        ),
        aspects=aspects(results, benchmark),
        refinements=tuple(refinements(results, table)),
        diversity=diversity(results, table, weights, reference),
        coverage=coverage,
    )


def _judge_variance(checks: pd.DataFrame | None, table: Grid, weights: Mapping[str, float]) -> dict[str, float]:
    """The variance that the judge's inconsistency adds to the overall score of each arm.

    Only of arms whose images were judged repeatedly by the same judge.
    """
    if checks is None:
        return {}
    repeats = checks[(checks["benchmark"] == table.benchmark) & (checks["kind"] == "repeat")]
    if repeats.empty:
        return {}
    sample = ["arm", "item", "seed_index", "category", "score"]
    wide = repeats.pivot(index=sample, columns="check", values="other").reset_index()
    variances = {}
    for arm, rows in wide.groupby("arm"):
        present = table.categories[~np.isnan(table.column(str(arm)))]
        counts = {name: int((present == name).sum()) for name in weights}
        values = rows[["score", *repeats["check"].unique()]].to_numpy(dtype=float)
        variance = reply_variance(values, rows["category"], weights, counts)
        if not math.isnan(variance):
            variances[str(arm)] = variance
    return variances
