"""Gates: limits that the user sets for a run, decided by the numbers that its report shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.analysis.comparison import Compared, compare
from evalharness.analysis.coverage import coverages
from evalharness.analysis.stats import bounds, significant

if TYPE_CHECKING:
    from evalharness.store.results import Results

ROUNDING = 1e-9
"""A score of 0.8 may be 0.7999999999999999 in floating point, and still is 0.8."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gate says of an arm on a benchmark.

    Attributes:
        rule: The limit, such as ``at least 0.8``.
        passed: Whether the arm keeps it.
        detail: The numbers that decided.
    """

    benchmark: str
    arm: str
    rule: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return f"gate {verdict}: {self.benchmark}/{self.arm}: {self.rule}: {self.detail}"


def at_least(results: Results, benchmark: str, limit: float, only: str | None = None) -> Iterator[Outcome]:
    """Hold the score of each arm, or of ``only`` one, against a limit in 0..1; a missing sample counts as wrong."""
    weights = results.info["benchmarks"][benchmark]["weights"]
    for arm, covered in coverages(results, benchmark).items():
        if only in (None, arm):
            low, high = bounds(covered.values, covered.categories, weights)
            detail = f"{low:.4g}"
            if not covered.complete:
                detail += f", up to {high:.4g} with the {covered.expected - covered.scored} missing samples right"
            yield Outcome(benchmark, arm, f"at least {limit:g}", low >= limit - ROUNDING, detail)


def complete(results: Results) -> Iterator[Outcome]:
    """Whether each arm has a score for all of its samples."""
    for benchmark in results.info["benchmarks"]:
        for arm, covered in coverages(results, benchmark).items():
            yield Outcome(benchmark, arm, "complete", covered.complete, f"{covered.text} samples scored")


def not_worse(results: Results, baseline: Results) -> Iterator[Outcome]:
    """Compare each arm with the arm of the same name in an earlier run.

    An arm is worse if the interval of its difference lies below 0 and, where the runs share prompts so that it is
    paired, the p-value corrected over all arms is at most 0.05. Samples that either run lacks are left out. An arm
    whose difference is not known for want of scores does not pass.
    """
    for pair in compare(baseline, results).compared:
        passed = pair.difference.state != "none" and not _worse(pair)
        yield Outcome(pair.benchmark, pair.arms[1], "not worse than the baseline run", passed, _gap_text(pair))


def _gap_text(pair: Compared) -> str:
    gap = pair.difference
    if gap.state == "none":
        return "cannot be compared, too few samples are scored"
    interval = ", too few prompts for an interval"
    if gap.state == "known":
        interval = f" [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    unpaired = ", not paired: the runs share no prompt" if pair.pairing == "none" else ""
    return f"{100 * gap.value:+.1f} points{interval}{unpaired}"


def _worse(pair: Compared) -> bool:
    if pair.contrast is None:
        return pair.difference.high < 0
    return significant(pair.difference, pair.contrast.p_adjusted) and pair.difference.value < 0
