"""Holds the results of a sweep against the limits that its options set, and tells other programs."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalharness._front import Results, load_results
from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.files import write_text_atomically
from evalharness._util.text import counted
from evalharness.analysis import gates
from evalharness.analysis.gates import Outcome
from evalharness.cli import gate_options
from evalharness.cli.gate_options import Limit
from evalharness.errors import ConfigError, EvalHarnessError, did_you_mean
from evalharness.planning.plan import Plan
from evalharness.report import junit, step_summary
from evalharness.store.find_run import find_report


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of a run, checked before it begins.

    Attributes:
        baseline: The earlier run that no arm may be worse than.
        complete: Whether each sample must have a score.
    """

    limits: tuple[Limit, ...] = ()
    baseline: Results | None = None
    complete: bool = False
    junit: Path | None = None
    summary: Path | None = None

    def outcomes(self, results: Results) -> list[Outcome]:
        """Hold the results against all limits."""
        outcomes = [outcome for limit in self.limits for outcome in _at_least(results, limit)]
        if self.baseline is not None:
            outcomes += gates.not_worse(results.data, self.baseline.data)
        if self.complete:
            outcomes += gates.complete(results.data)
        return outcomes

    def apply(self, results: Results) -> ExitCode:
        """Say the outcomes, and write the files that were asked for."""
        outcomes = self.outcomes(results)
        missed = _missed(outcomes)
        if self.junit is not None:
            _write(self.junit, junit.junit(results.plan.sweep.name, outcomes))
        if self.summary is not None:
            _append(self.summary, step_summary.step_summary(results.data, outcomes))
        if outcomes:
            notes = [f"note: {note}" for note in gates.notes(outcomes)]
            console.write("\n".join(["", *map(str, outcomes), *notes]))
        if missed:
            console.write_error(f"evalharness: {missed}")
        return ExitCode.CHECK_FAILED if missed else ExitCode.COMPLETE


@contextmanager
def gates_of(options: argparse.Namespace, plan: Plan, out: Path) -> Iterator[Gates]:
    """The gates that the options name; the earlier run is open until the block ends.

    Raises:
        ConfigError: A gate could not be decided, whatever the run brings.
    """
    summary = gate_options.summary_file(options)
    limits = tuple(options.fail_under)
    for limit in limits:
        _check_limit(limit, plan)
    if options.fail_if_worse is None:
        yield Gates(limits, None, options.fail_incomplete, options.junit, summary)
        return
    if find_report(options.fail_if_worse).resolve() == out.resolve():
        raise ConfigError(f"--fail-if-worse: {out} is the report that this run writes; name an earlier one")
    with load_results(options.fail_if_worse) as baseline:
        _check_baseline(options.fail_if_worse, baseline, plan)
        yield Gates(limits, baseline, options.fail_incomplete, options.junit, summary)


def _missed(outcomes: Sequence[Outcome]) -> str:
    """How many gates are not passed; empty if all are."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    failed, undecided, of_all = counts["failed"], counts["undecided"], f"of {counted(len(outcomes), 'gate')}"
    parts = [f"{failed} {of_all} failed"] if failed else []
    if undecided:
        parts.append(f"{undecided} {of_all} could not be decided")
    return ", ".join(parts)


def _at_least(results: Results, limit: Limit) -> Iterator[Outcome]:
    return gates.at_least(results.data, limit.benchmark, limit.score, limit.arm)


def _check_limit(limit: Limit, plan: Plan) -> None:
    if limit.benchmark not in plan.benchmarks:
        meant = did_you_mean(limit.benchmark, list(plan.benchmarks))
        raise ConfigError(f"--fail-under: the sweep has no benchmark {limit.benchmark!r}{meant}")
    names = [arm.name for arm in plan.sweep.arms]
    if limit.arm is not None and limit.arm not in names:
        raise ConfigError(f"--fail-under: the sweep has no arm {limit.arm!r}{did_you_mean(limit.arm, names)}")


def _check_baseline(run: str, baseline: Results, plan: Plan) -> None:
    """Read the earlier run, too, since this run may write to the same store."""
    benchmarks = [name for name in plan.benchmarks if name in baseline.data.info["benchmarks"]]
    planned = {(sample.benchmark, sample.arm.name) for sample in plan.samples}
    if planned.isdisjoint(zip(baseline.data.samples["benchmark"], baseline.data.samples["arm"], strict=True)):
        what = f"arm of this sweep on {', '.join(benchmarks)}" if benchmarks else "benchmark of this sweep"
        raise ConfigError(f"--fail-if-worse: {run} has no {what}, so nothing can be compared")
    if reasons := list(gates.undecidable(plan, baseline.data)):
        more = f", and {counted(len(reasons) - 1, 'more reason')}" if len(reasons) > 1 else ""
        raise ConfigError(
            f"--fail-if-worse: {run} cannot be compared: {reasons[0]}{more}; complete it, or name another run"
        )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, text)
    except OSError as error:
        raise EvalHarnessError(f"cannot write {path}: {error.strerror}; choose another --junit") from error


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EvalHarnessError(f"cannot write {path}: {error.strerror}; choose another --step-summary") from error
