"""Gates: limits that the user sets for a run, decided by the numbers that its report shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evalharness.analysis.benchmarks import category_weights
from evalharness.analysis.comparison import Compared, compare, scored_otherwise, shared_weights
from evalharness.analysis.coverage import coverages
from evalharness.analysis.stats import significant

if TYPE_CHECKING:
    from evalharness.planning.plan import Plan, PlannedBenchmark
    from evalharness.store.results import Results

Verdict = Literal["passed", "failed", "undecided"]

ROUNDING = 1e-9
"""A score of 0.8 may be 0.7999999999999999 in floating point, and still is 0.8."""
NOT_WORSE = "not worse than the baseline run"
FEWEST_PROMPTS = 2
"""Prompts of a category without which its difference has no interval."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gate says of an arm on a benchmark.

    Attributes:
        rule: The limit, such as ``at least 0.8``.
        verdict: Whether the arm keeps it. ``undecided``, where nothing could be compared, is no pass.
        detail: The numbers that decided, or why nothing did.
        notes: What else is to be known of the comparison.
    """

    benchmark: str
    arm: str
    rule: str
    verdict: Verdict
    detail: str
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"

    def __str__(self) -> str:
        return f"gate {self.verdict}: {self.benchmark}/{self.arm}: {self.rule}: {self.detail}"


def notes(outcomes: Iterable[Outcome]) -> list[str]:
    """The notes of some outcomes, each once."""
    return list(dict.fromkeys(note for outcome in outcomes for note in outcome.notes))


def at_least(results: Results, benchmark: str, limit: float, only: str | None = None) -> Iterator[Outcome]:
    """Hold the score of each arm, or of ``only`` one, against a limit in 0..1; a missing sample counts as wrong."""
    weights = results.info["benchmarks"][benchmark]["weights"]
    for arm, covered in coverages(results, benchmark).items():
        if only in (None, arm):
            low, high = covered.bounds(weights)
            detail = f"{low:.4g}"
            if not covered.complete:
                detail += f", up to {high:.4g} with the {covered.expected - covered.scored} missing samples right"
            yield Outcome(benchmark, arm, f"at least {limit:g}", _verdict(low >= limit - ROUNDING), detail)


def complete(results: Results) -> Iterator[Outcome]:
    """Whether each arm has a score for all of its samples."""
    for benchmark in results.info["benchmarks"]:
        for arm, covered in coverages(results, benchmark).items():
            yield Outcome(benchmark, arm, "complete", _verdict(covered.complete), f"{covered.text} samples scored")


def not_worse(results: Results, baseline: Results) -> Iterator[Outcome]:
    """Compare each arm with the arm of the same name in an earlier run.

    An arm is worse if the interval of its difference lies below 0 and, where the runs share prompts so that it is
    paired, the p-value corrected over all arms is at most 0.05. Samples that either run lacks are left out. Without an
    interval, or if the runs were scored otherwise, it is undecided.
    """
    comparison = compare(baseline, results)
    for pair in comparison.compared:
        reason = _undecided(pair)
        detail = f"{reason}: {_numbers(pair)}" if reason else _numbers(pair)
        verdict: Verdict = "undecided" if reason else _verdict(not _worse(pair))
        yield Outcome(pair.benchmark, pair.arms[1], NOT_WORSE, verdict, detail, comparison.notes)
    if not comparison.compared:
        names = ", ".join(results.info["benchmarks"])
        yield Outcome(names, "no arm", NOT_WORSE, "undecided", "the runs share no arm on a benchmark of both")


def undecidable(plan: Plan, baseline: Results) -> Iterator[str]:
    """Why arms of a plan cannot be held against an earlier run, whatever the plan brings; a line for each reason."""
    arms = dict.fromkeys((sample.benchmark, sample.arm.name) for sample in plan.samples)
    scored = baseline.samples[baseline.samples["state"] == "scored"]
    for name, planned in plan.benchmarks.items():
        info = baseline.info["benchmarks"].get(name)
        if info is None:
            continue
        if kinds := scored_otherwise(info, {"scorer": dict(planned.scorer), "version": planned.facts.version}):
            yield f"{name}: {_otherwise(kinds)}"
            continue
        of_benchmark = baseline.samples[baseline.samples["benchmark"] == name]
        for arm in of_benchmark["arm"].unique():
            if (name, arm) in arms:
                found = scored[(scored["benchmark"] == name) & (scored["arm"] == arm)]
                prompts = dict(zip(found["item"], found["category"], strict=True))
                if lacking := _lacking(planned, category_weights(baseline, name), set(of_benchmark["item"]), prompts):
                    yield f"{name}/{arm}: it has no scores to compare of two prompts of {lacking}"


def _lacking(planned: PlannedBenchmark, weights: dict[str, float], items: set[str], prompts: dict[str, str]) -> str:
    """The categories of an earlier run with too few scored prompts for an interval; ``prompts``: item → category."""
    shared = items & {item.id for item in planned.items}
    usable = [category for item, category in prompts.items() if not shared or item in shared]
    joint, _ = shared_weights(weights, planned.facts.weights)
    counted = [name for name, weight in joint.items() if weight]
    if not counted:
        return "a category that both count"
    return ", ".join(name for name in counted if usable.count(name) < FEWEST_PROMPTS)


def _verdict(kept: bool) -> Verdict:
    return "passed" if kept else "failed"


def _undecided(pair: Compared) -> str:
    """Why a pair does not tell whether the arm is worse; empty if it does."""
    if pair.otherwise:
        return _otherwise(pair.otherwise)
    if pair.difference.state != "known":
        return "too few samples that both runs have scores for"
    return ""


def _otherwise(kinds: tuple[str, ...]) -> str:
    return f"the baseline run was scored by another {' and '.join(kinds)}, so that a difference may be its own"


def _numbers(pair: Compared) -> str:
    """The difference, and what of both runs is scored if that is not all."""
    gap, (before, now) = pair.difference, pair.scores
    text = "no difference known"
    if not math.isnan(gap.value):
        text = f"{100 * gap.value:+.1f} points"
    if not math.isnan(gap.low):
        text += f" [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    if not (before.complete and now.complete):
        text += f", samples scored: {now.coverage}, in the baseline run {before.coverage}"
    return text if pair.pairing != "none" else f"{text}, not paired: the runs share no prompt"


def _worse(pair: Compared) -> bool:
    if pair.contrast is None:
        return pair.difference.high < 0
    return significant(pair.difference, pair.contrast.p_adjusted) and pair.difference.value < 0
