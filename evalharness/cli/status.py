"""``evalharness status RUN``: how far a run is, from another terminal while it goes on or after it has ended."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from evalharness._util.progress import duration
from evalharness.config import schema, yaml
from evalharness.execution import heartbeat
from evalharness.execution.heartbeat import RunStatus
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.store.find_run import find_run
from evalharness.store.states import SampleState, sample_states_in_parts
from evalharness.store.store import Store

Counts = dict[tuple[str, str], Counter[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a report's folder, or a sweep file")
    parser.add_argument("--store", type=Path, metavar="DIR", help="where the images and scores are, if not as usual")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="show it again so often, until the run ends")


def run(options: argparse.Namespace) -> int:
    """Show it once, or again and again; returns the exit code."""
    while True:
        seen = _look(options.run)
        lines = list(_lines(options.run, seen, options.store))
        clear = "\x1b[2J\x1b[H" if options.every and sys.stdout.isatty() else ""
        sys.stdout.write(clear + "\n".join(lines) + "\n")
        sys.stdout.flush()
        if not options.every or seen is None or not seen.running:
            return 0
        time.sleep(max(0.5, options.every))


def _look(named: str) -> RunStatus | None:
    folder = Path(named)
    return heartbeat.read(folder if folder.is_dir() else Path("reports") / schema.load(named).name)


def _lines(named: str, seen: RunStatus | None, store: Path | None) -> Iterator[str]:
    if seen is None:
        sweep, where = find_run(named, store)
    else:
        sweep = schema.parse(yaml.Document(Path(seen.store) / heartbeat.NAME, dict(seen.sweep)))
        where = store or Path(seen.store)
    plan = make_plan(sweep)
    yield f"{sweep.name}, seed {sweep.seed}: {_state(seen)}"
    for name, stage in (seen.stages if seen else {}).items():
        failed = f", {stage.failed} failed" if stage.failed else ""
        pace = ""
        if seen is not None and seen.running and stage.rate:
            left = duration(max(0, stage.total - stage.done) / stage.rate)
            pace = f", {stage.rate:.2g}/s, about {left} left"
        yield f"  {name:<6} {stage.done}/{stage.total} of this go{failed}{pace}"
    if seen is not None and seen.running:
        busy = [worker for worker in seen.workers if worker.state == "busy"]
        yield f"  {len(busy)} of {len(seen.workers)} workers busy"
        for worker in seen.workers:
            jobs = f", {worker.jobs} samples in hand" if worker.jobs else ""
            yield f"    {worker.queue} on {worker.place}: {worker.state}{jobs}"
    with Store(where, write=False) as opened:
        yield from _table(plan, _count(plan, opened, frozenset(seen.in_hand if seen and seen.running else ())))


def _state(seen: RunStatus | None) -> str:
    if seen is None:
        return "no run has been here"
    since = datetime.fromtimestamp(seen.started).astimezone().isoformat(" ", "minutes")
    if seen.running:
        return f"running on {seen.host} (pid {seen.pid}) since {since}, {duration(seen.updated - seen.started)}"
    ended = "killed" if seen.state == "running" else seen.state
    again = "" if seen.state == "done" else "; run the same command again to continue"
    return f"{ended}, last seen {duration(max(0, time.time() - seen.updated))} ago{again}"


def _count(plan: Plan, store: Store, in_hand: frozenset[str]) -> Counts:
    """Arm and tag → how many samples are in which state."""
    counts: Counts = defaultdict(Counter)
    for found in sample_states_in_parts(plan, store):
        for one in found:
            for tag in (one.sample.item.category, "all"):
                counts[one.sample.arm.name, tag].update(_states(one, in_hand))
    return counts


def _states(one: SampleState, in_hand: frozenset[str]) -> list[str]:
    key = one.sample.job if one.steps is None else one.score_key
    return ["expected", one.state, *(["in hand"] if key in in_hand and one.state != "scored" else [])]


def _table(plan: Plan, counts: Counts) -> Iterator[str]:
    tags = [*dict.fromkeys(item.category for planned in plan.benchmarks.values() for item in planned.items), "all"]
    rows = [["scored / expected", *tags]]
    for arm in plan.sweep.arms:
        rows.append([arm.name, *(_cell(counts[arm.name, tag]) for tag in tags)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(count: Counter[str]) -> str:
    """``3/10 (1 failed, 4 in flight)``."""
    more = [f"{count['failed']} failed"] if count["failed"] else []
    more += [f"{count['generated']} drawn"] if count["generated"] else []
    more += [f"{count['in hand']} in flight"] if count["in hand"] else []
    return f"{count['scored']}/{count['expected']}" + (f" ({', '.join(more)})" if more else "")
