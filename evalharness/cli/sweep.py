"""``python -m evalharness.sweep FILE``: draws and scores a sweep, and writes its report.

What only a run needs is imported when it runs, so that ``--help`` and mistakes in the file are answered at once.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.guard import guarded
from evalharness._util.progress import Progress
from evalharness.cli import gate_options, single_file, tracking
from evalharness.cli.options import add_literature_argument, add_selection_arguments, size_of
from evalharness.config import literature, overrides, sweep_files
from evalharness.config.shards import sharded
from evalharness.execution.parts import Parts
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_drawing_plan, make_plan
from evalharness.store.report_folders import locked_folder, report_folder
from evalharness.store.store import Store

if TYPE_CHECKING:
    from evalharness.cli.gates import Gates


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a sweep file, or the name of one that comes with evalharness")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the report (default: reports/NAME; a trial: one beside it)"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: store/ beside --out)")
    add_selection_arguments(parser)
    overrides.add_arguments(parser)
    add_literature_argument(parser)
    single_file.add_argument(parser)
    tracking.add_arguments(parser)
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--check", action="store_true", help="draw and score one sample of each arm, then stop")
    part.add_argument("--draw-only", action="store_true", help="score nothing and write no report")
    part.add_argument("--score-only", action="store_true", help="draw nothing; score and report what is drawn")
    parser.add_argument("--dry-run", action="store_true", help="show what would be drawn and what it would cost")
    parser.add_argument("--rates", type=Path, metavar="FILE", help="with --dry-run: estimate times from these rates")
    parser.add_argument("--retry-failed", action="store_true", help="try the failed samples again")
    parser.add_argument(
        "--no-space-check", action="store_true", help="start even if the images may not fit on the disk"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress output")
    gate_options.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the sweep; returns the exit code."""
    sweep = sweep_files.load(options.file, partial(overrides.overridden, options))
    quoted = dict.fromkeys([*sweep.literature, *map(literature.resolve_option, options.literature)])
    sweep = replace(sweep, literature=tuple(quoted))
    size = size_of(options)
    sweep = size.of(sweep)
    whole: Path = options.out or report_folder(sweep.name, size)
    out = sharded(whole, sweep.shard)
    store_path = sharded(options.store or whole.parent / "store", sweep.shard)
    gate_options.check_gates(options)
    single_file.require_report(options)
    tracked = tracking.tracking_of(options)
    if options.dry_run:
        from evalharness._front import power_lines
        from evalharness.analysis.examples.missing import most_intermediate_scores
        from evalharness.execution.dry_run import dry_run

        more = {
            "retry_failed": options.retry_failed,
            "rates_file": options.rates,
            "count_searched": most_intermediate_scores,
        }
        lines = dry_run(sweep, store_path, _measuring(options, store_path), **more)
        _write(*lines, *power_lines(sweep, store_path))
        return ExitCode.COMPLETE
    plan = make_drawing_plan(sweep) if options.draw_only else make_plan(sweep)
    if options.check:
        return _check(plan, out, store_path, options)
    parts = Parts(drawing=not options.score_only, scoring=not options.draw_only)
    more = {"quiet": options.quiet, "retry_failed": options.retry_failed, "trial": bool(size.label)}
    more |= {"check_space": not options.no_space_check, "one_file": options.single_file, "tracked": tracked}
    if not gate_options.given(options):
        return carry_out(plan, out, store_path, parts=parts, **more)
    from evalharness.cli.gates import gates_of

    with gates_of(options, plan, out) as gates:
        return carry_out(plan, out, store_path, gates=gates, parts=parts, **more)


def _check(plan: Plan, out: Path, store_path: Path, options: argparse.Namespace) -> ExitCode:
    """Draw and score one sample of each arm; returns whether all went through."""
    from evalharness.execution.session import check_plan

    with locked_folder(out), Store(store_path) as store:
        progress = Progress(quiet=options.quiet)
        checked = check_plan(plan, store, out, progress=progress, retry_failed=options.retry_failed)
    _write(*[arm.line for arm in checked] or ["nothing is missing, so there is nothing to check"])
    return ExitCode.COMPLETE if all(arm.passed for arm in checked) else ExitCode.CHECK_FAILED


def carry_out(
    plan: Plan,
    out: Path,
    store_path: Path,
    *,
    gates: Gates | None = None,
    one_file: Path | None = None,
    tracked: tracking.Tracking = tracking.NOWHERE,
    **options: Any,
) -> ExitCode:
    """Draw and score what is missing, write the report to ``out`` and print its headline table.

    ``one_file`` is a file that gets the report, too, and ``tracked`` a tracker that gets the results.
    ``options`` are those of :func:`evalharness._front.run_and_report`. A gate that fails decides the exit code.
    """
    from evalharness._front import run_and_report
    from evalharness.cli.completeness import say_what_is_missing
    from evalharness.report import terminal

    results, page = run_and_report(plan, out, store_path, **options)
    with results:
        if page is None:
            drawn, total = int(results.samples["image"].notna().sum()), len(results.samples)
            _write(f"{drawn} of {total} images drawn: {store_path}", "score them with --score-only")
            return ExitCode.COMPLETE if drawn == total else ExitCode.INCOMPLETE
        data = results.data
        _write(*terminal.table(data), *terminal.failed(data), *terminal.suspect_images(data), "", f"report: {page}")
        _write(*single_file.write(data, one_file))
        code = say_what_is_missing(data)
        passed = gates is None or gates.apply(results) == ExitCode.COMPLETE
        _write(*tracked.track(data))
    return code if passed else ExitCode.CHECK_FAILED


def _measuring(options: argparse.Namespace, store_path: Path) -> str:
    """The command that measures the rates of this sweep."""
    words = ["evalharness", "timing", options.file, "--draw", "8"]
    if options.model is not None:
        words += ["--model", options.model]
    if options.weights is not None:
        words += ["--weights", options.weights]
    for arm in options.only:
        words += ["--only", arm]
    if store_path != Path("reports") / "store":
        words += ["--store", str(store_path)]
    return shlex.join([*words, "--out", "rates.yaml"])


def _write(*lines: str) -> None:
    if lines:
        console.write("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the sweep; returns the exit code."""
    summary = "Draw and score a sweep, and write its report."
    parser = argparse.ArgumentParser(prog="python -m evalharness.sweep", description=summary)
    add_arguments(parser)
    return guarded(run, parser.parse_args(arguments))
