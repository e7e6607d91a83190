"""Sweeps of the plugins ``mock``, and what they made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import evalharness as eh
from evalharness._util.progress import Progress
from evalharness.analysis.examples.missing import score_searches
from evalharness.execution.session import run_plan
from evalharness.store.store import Store

SWEEP = """\
name: tiny
seed: 3
model: mock
benchmarks:
  - {name: mock, limit: 6, samples: 1}
arms:
  - {name: single, variant: single_pass}
  - {name: process, variant: process, max_iterations: 1..3}
"""
REFUSING = """\
name: tiny
seed: 3
model: {name: mock, iterations: 5, refuses: [unspeakable], seconds: 0}
benchmarks:
  - {name: mock, samples: 1, prompts: [a, b, unscorable c, d, e, f, g, unspeakable h]}
arms:
  - {name: single, variant: single_pass}
  - {name: process, variant: process, max_iterations: 2}
"""
"""A prompt is not drawn, another not scored."""
SINGLE = SWEEP.split("  - {name: process")[0]
IN_PROCESS = "executor: {name: local, in_process: true}\n"
"""Ends a sweep file whose run, in a process of its own, shall start no others."""
COLUMNS = ("benchmark", "arm", "item", "seed_index", "seed", "state", "score", "reason", "image", "iterations")

Rows = list[dict[str, Any]]


def draw_and_score(file: Path, out: Path, *, retry_failed: bool = False, **size: Any) -> Rows:
    """Run a sweep as ``eh.run`` does, but write no report; ``size`` is that of ``eh.load_sweep``.

    Returns:
        The samples, see :func:`rows`.
    """
    with run_without_report(file, out, retry_failed=retry_failed, **size) as results:
        return rows(results)


def run_without_report(file: Path, out: Path, *, retry_failed: bool = False, **size: Any) -> eh.Results:
    """Like :func:`draw_and_score`, but returns the results."""
    plan, store = eh.plan(file, **size), out.parent / "store"
    with Store(store) as opened:
        info = run_plan(
            plan,
            opened,
            out,
            progress=Progress(quiet=True),
            make_searches=score_searches,
            retry_failed=retry_failed,
        )
    return eh.Results(plan, store, info)


def reported(out: Path) -> Rows:
    """The samples of the report in ``out``, see :func:`rows`."""
    with eh.load_results(out) as results:
        return rows(results)


def rows(results: eh.Results) -> Rows:
    """A dictionary for each sample, of all that does not depend on time; ``None`` for what it lacks."""
    made: Rows = json.loads(results.samples[list(COLUMNS)].to_json(orient="records"))
    return made


class Clock:
    """Stands in for the module ``time``: its time passes while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def perf_counter(self) -> float:
        return self.seconds

    def time(self) -> float:
        return self.seconds


def states(samples: Rows) -> set[str]:
    """The states that occur."""
    return {sample["state"] for sample in samples}
