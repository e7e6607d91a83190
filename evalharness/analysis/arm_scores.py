"""The overall score of each arm over what is scored, and how much of it that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from evalharness.analysis import stats
from evalharness.analysis.benchmarks import category_weights
from evalharness.analysis.coverage import coverage
from evalharness.analysis.grid import grid
from evalharness.analysis.stats import Estimate
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ArmScore:
    """The score of an arm on a benchmark, 0..1.

    ``estimate``: over the scored samples, NaN if a category has none; differences rest on it.
    ``bounds``: the overall score if all that is missing were wrong, and if all were right.
    ``scored``, ``expected``: numbers of samples.
    """

    estimate: Estimate
    bounds: tuple[float, float]
    scored: int
    expected: int

    @property
    def complete(self) -> bool:
        return self.scored == self.expected

    @property
    def known(self) -> Estimate:
        """The arm's overall score, NaN unless all samples are scored."""
        return self.estimate if self.complete else Estimate(math.nan)

    @property
    def coverage(self) -> str:
        """Text such as ``93/120``."""
        return f"{self.scored}/{self.expected}"

    def as_dict(self) -> dict[str, Any]:
        """The overall score, if it is known, what it may be, and the numbers of samples."""
        low, high = self.bounds
        counts = {"scored": self.scored, "expected": self.expected}
        return asdict(self.known) | {"possible_low": low, "possible_high": high, **counts}


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
        found[arm] = arm_score(by_arm[arm], info, score.overall, weights)
    return found


def arm_score(
    samples: pd.DataFrame, info: Mapping[str, Any], estimate: Estimate, weights: Mapping[str, float]
) -> ArmScore:
    """The score of an arm from the estimate over its scored samples.

    Args:
        samples: the arm's samples of the benchmark.
        info: the entry of the benchmark in the results' info.
        estimate: the overall score over what is scored.
        weights: of the categories.
    """
    covered = coverage(samples, info)
    bounds = covered.bounds(weights)
    return ArmScore(estimate, bounds, covered.scored, covered.expected)
