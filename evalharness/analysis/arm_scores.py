"""The overall score of each arm over what is scored, and how much of it that is."""

from __future__ import annotations

from dataclasses import dataclass

from evalharness.analysis import stats
from evalharness.analysis.benchmarks import category_weights
from evalharness.analysis.coverage import Coverage, coverage
from evalharness.analysis.grid import grid
from evalharness.analysis.stats import Estimate
from evalharness.store.results import Results


@dataclass(frozen=True, slots=True)
class ArmScore:
    """The score of an arm on a benchmark, 0..1.

    ``estimate``: over the scored samples, NaN if a category has none; the arm's overall score only if it is complete.
    ``bounds``: the overall score if all that is missing were wrong, and if all were right.
    """

    estimate: Estimate
    bounds: tuple[float, float]
    coverage: Coverage


def arm_scores(results: Results, benchmark: str) -> dict[str, ArmScore]:
    """The scores of the arms that have samples, in the order of the run; empty if the benchmark has no samples."""
    samples, info = results.samples[results.samples["benchmark"] == benchmark], results.info["benchmarks"][benchmark]
    if samples.empty:
        return {}
    table, weights = grid(results, benchmark), category_weights(results, benchmark)
    scores = stats.estimates(table.scores, table.items, table.categories, weights)
    by_arm = dict(list(samples.groupby("arm", sort=False)))
    found = {}
    for arm, score in zip(table.arms, scores, strict=True):
        covered = coverage(by_arm[arm], info)
        bounds = stats.bounds(covered.values, covered.categories, weights)
        found[arm] = ArmScore(score.overall, bounds, covered)
    return found
