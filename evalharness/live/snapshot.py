"""What the page of a run in progress shows at one moment, as JSON; all numbers are text for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from evalharness._util.progress import duration
from evalharness._util.text import counted
from evalharness.analysis.arm_scores import ArmScore, arm_scores
from evalharness.execution.current_run import CurrentRun
from evalharness.execution.heartbeat import RunStatus
from evalharness.report.formatting import MISSING, number_text, points_interval
from evalharness.report.summary import benchmark_title
from evalharness.report.verdicts import verdict
from evalharness.store.failures import causes
from evalharness.store.load import bare_results
from evalharness.store.results import Results
from evalharness.store.sample_columns import SampleColumns
from evalharness.store.store import Store

PICTURES = 12
"""The newest pictures that are shown, at most."""
SLOWEST = 1e-6
"""Jobs a second below which nobody can say how long the rest takes."""
AGAIN = "Run the same command again to continue."


def progress(run: CurrentRun) -> dict[str, Any]:
    """What the status file says: whether the run goes on, and how far each of its stages is."""
    status = run.status
    stages = status.stages if status is not None and status.running else {}
    return {
        "name": run.plan.sweep.name,
        "running": status is not None and status.running,
        "state": _state(status),
        "stages": [
            {
                "name": name,
                "done": stage.done,
                "total": stage.total,
                "text": f"{stage.done:,} of {stage.total:,}" + (f", {stage.failed:,} failed" if stage.failed else ""),
                "left": _left(stage.done, stage.total, stage.rate),
            }
            for name, stage in stages.items()
        ],
        "workers": _workers(status),
    }


def contents(run: CurrentRun, store: Store) -> dict[str, Any]:
    """What the store has: samples in each state, scores so far, failures by cause, newest pictures."""
    columns = SampleColumns(run.plan, store, run.plan.samples)
    results = bare_results(run.plan, columns)
    counts = results.samples["state"].value_counts()
    return {
        "counts": _counts({str(state): int(count) for state, count in counts.items()}, len(results.samples)),
        "benchmarks": [_benchmark(results, name) for name in run.plan.benchmarks],
        "failures": causes(columns.failures.values()),
        "pictures": list(_pictures(results, columns)),
    }


def _state(status: RunStatus | None) -> str:
    if status is None or status.state == "done":
        return "The run is done."
    if status.running:
        return f"Running for {duration(max(0.0, status.updated - status.started))}."
    seen = duration(max(0.0, time.time() - status.updated))
    return f"The run was {'stopped' if status.state == 'stopped' else 'killed'}, last seen {seen} ago. {AGAIN}"


def _left(done: int, total: int, rate: float) -> str:
    return f"about {duration(max(0, total - done) / rate)} left" if rate > SLOWEST and done < total else ""


def _workers(status: RunStatus | None) -> str:
    if status is None or not status.running or not status.workers:
        return ""
    busy = sum(worker.state == "busy" for worker in status.workers)
    return f"{busy} of {counted(len(status.workers), 'worker')} busy"


def _counts(counts: dict[str, int], expected: int) -> str:
    parts = [f"{counts.get('scored', 0):,} of {expected:,} samples scored"]
    words = {"generated": "drawn and not scored yet", "failed": "failed"}
    parts += [f"{counts[state]:,} {text}" for state, text in words.items() if counts.get(state)]
    return ", ".join(parts) + "."


def _benchmark(results: Results, name: str) -> dict[str, Any]:
    scores = arm_scores(results, name)
    failed = results.samples[(results.samples["benchmark"] == name) & (results.samples["state"] == "failed")]
    by_arm = failed["arm"].value_counts()
    rows = [_row(arm, score, int(by_arm.get(arm, 0))) for arm, score in scores.items()]
    return {"name": benchmark_title(results, name), "rows": rows}


def _row(arm: str, score: ArmScore, failed: int) -> dict[str, Any]:
    value = score.estimate.value
    return {
        "arm": arm,
        "score": MISSING if value != value else number_text(100 * value),
        "interval": points_interval(score.estimate.low, score.estimate.high),
        "provisional": not score.complete,
        "scored": score.coverage,
        "failed": str(failed) if failed else "",
    }


def _pictures(results: Results, columns: SampleColumns) -> Iterator[dict[str, Any]]:
    """The pictures that were drawn or scored last, each once."""
    latest = np.maximum(columns.drawn.made, columns.judged.made)
    seen: set[str] = set()
    for place in np.argsort(-latest, kind="stable").tolist():
        digest = columns.images[place]
        if digest is None or digest in seen:
            continue
        seen.add(digest)
        row = results.samples.iloc[place]
        style, words = verdict(str(row["state"]), float(row["score"]))
        texts = {name: str(row[name] or "") for name in ("arm", "prompt", "reason")}
        yield {"image": digest, "style": style, "verdict": words, **texts}
        if len(seen) == PICTURES:
            return
