"""``evalharness status RUN``: shows how far a run is, from another terminal, while it goes on or after it has ended."""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from evalharness._util import console
from evalharness._util.progress import duration
from evalharness.cli.options import add_selection_arguments, positive_number, size_of
from evalharness.execution.current_run import CurrentRun, current_run
from evalharness.execution.heartbeat import RunStatus
from evalharness.planning.plan import Plan
from evalharness.store.failures import StoredFailure, causes
from evalharness.store.states import SampleState, sample_states_in_parts
from evalharness.store.store import Store

SLOWEST = 1e-6
"""Jobs a second below which nobody can say how long the rest takes."""
Counts = dict[tuple[str, str], Counter[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a report's folder, or a sweep file")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: the run's usual store)")
    add_selection_arguments(parser)
    parser.add_argument(
        "--every", type=positive_number, metavar="SECONDS", help="repeat at this interval until the run ends"
    )


def run(options: argparse.Namespace) -> int:
    """Show the status once, or every few seconds; returns the exit code."""
    while True:
        current = current_run(options.run, options.store, size_of(options))
        lines = list(_lines(current))
        if options.every:
            console.clear_screen()
        console.write("\n".join(lines))
        if not options.every or current.status is None or not current.status.running:
            return 0
        time.sleep(max(0.5, options.every))


def _lines(current: CurrentRun) -> Iterator[str]:
    status, plan = current.status, current.plan
    sweep = plan.sweep
    yield f"{sweep.name}, seed {sweep.seed}: {_state(status)}"
    for name, stage in (status.stages if status else {}).items():
        failed = f", {stage.failed} failed" if stage.failed else ""
        pace = ""
        if status is not None and status.running and stage.rate > SLOWEST:
            left = duration(max(0, stage.total - stage.done) / stage.rate)
            pace = f", {stage.rate:.2g}/s, about {left} left"
        yield f"  {name:<6} {stage.done}/{stage.total} of this go{failed}{pace}"
    if status is not None and status.running:
        busy = [worker for worker in status.workers if worker.state == "busy"]
        yield f"  {len(busy)} of {len(status.workers)} workers busy"
        for worker in status.workers:
            jobs = f", {worker.jobs} samples in hand" if worker.jobs else ""
            yield f"    {worker.queue} on {worker.place}: {worker.state}{jobs}"
    with Store(current.store, write=False) as opened:
        failures: list[StoredFailure] = []
        in_hand = frozenset(status.in_hand if status and status.running else ())
        yield from _table(plan, _count(plan, opened, in_hand, failures))
        yield from causes(failures)


def _state(status: RunStatus | None) -> str:
    if status is None:
        return "no run has been here"
    since = datetime.fromtimestamp(status.started).astimezone().isoformat(" ", "minutes")
    if status.running:
        return f"running on {status.host} (pid {status.pid}) since {since}, {duration(status.updated - status.started)}"
    ended = "killed" if status.state == "running" else status.state
    again = "" if status.state == "done" else "; run the same command again to continue"
    return f"{ended}, last seen {duration(max(0, time.time() - status.updated))} ago{again}"


def _count(plan: Plan, store: Store, in_hand: frozenset[str], failures: list[StoredFailure]) -> Counts:
    """Count the samples in each state by arm and tag; ``failures`` gets those of failed samples."""
    counts: Counts = defaultdict(Counter)
    for states in sample_states_in_parts(plan, store):
        for state in states:
            if state.state == "failed" and state.failure is not None:
                failures.append(state.failure)
            for tag in (state.sample.item.category, "all"):
                counts[state.sample.arm.name, tag].update(_states(state, in_hand))
    return counts


def _states(state: SampleState, in_hand: frozenset[str]) -> list[str]:
    key = state.sample.job if state.steps is None else state.score_key
    return ["expected", state.state, *(["in hand"] if key in in_hand and state.state != "scored" else [])]


def _table(plan: Plan, counts: Counts) -> Iterator[str]:
    tags = [*dict.fromkeys(item.category for planned in plan.benchmarks.values() for item in planned.items), "all"]
    rows = [["scored / expected", *tags]]
    for arm in plan.sweep.arms:
        rows.append([arm.name, *(_cell(counts[arm.name, tag]) for tag in tags)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(count: Counter[str]) -> str:
    """Text such as ``3/10 (1 failed, 4 in flight)``."""
    more = [f"{count['failed']} failed"] if count["failed"] else []
    more += [f"{count['generated']} drawn"] if count["generated"] else []
    more += [f"{count['in hand']} in flight"] if count["in hand"] else []
    return f"{count['scored']}/{count['expected']}" + (f" ({', '.join(more)})" if more else "")
