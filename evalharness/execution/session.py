"""One run of a plan against a store: draw and score what is missing, and record what it took."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalharness._util import environment
from evalharness._util.progress import Progress
from evalharness.errors import ConfigError
from evalharness.execution.engine import Engine, MakeSearches
from evalharness.execution.heartbeat import Heartbeat
from evalharness.execution.imported import imported_images
from evalharness.planning.plan import Plan
from evalharness.store.store import Store


def run_plan(
    plan: Plan,
    store: Store,
    out: Path,
    *,
    progress: Progress,
    make_searches: MakeSearches | None = None,
    retry_failed: bool = False,
) -> dict[str, Any]:
    """Draw and score what the store lacks; ``out`` gets a status file while the run goes on.

    Args:
        make_searches: Makes the searches whose intermediate images are scored once all samples are.
        retry_failed: Try again what failed in an earlier run.

    Returns:
        The circumstances for the report, summed over all runs of this plan: start, wall time in seconds, hardware,
        versions, commit, imported images, and warnings.

    Raises:
        ConfigError: ``out`` cannot be created.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write the report to {out}: {error.strerror}; choose another --out") from error
    heartbeat = Heartbeat(out, plan.sweep.resolved(), store.path.absolute())
    info, warnings = _draw_and_score(plan, store, progress, heartbeat, make_searches, retry_failed=retry_failed)
    imported = imported_images(plan, store)
    warnings += imported.get("warnings", [])
    for warning in warnings:
        progress.say(f"warning: {warning}")
    return info | imported | {"warnings": warnings}


def _draw_and_score(
    plan: Plan,
    store: Store,
    progress: Progress,
    heartbeat: Heartbeat,
    make_searches: MakeSearches | None,
    *,
    retry_failed: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Do the work, then return the record of this plan's runs and a line for each part that a budget stopped."""
    earlier = store.runs.get(plan.key())
    started, clock, worked = datetime.now(UTC), time.monotonic(), -1
    executor = plan.sweep.executor.build()
    engine = Engine(plan, store, executor, progress, make_searches=make_searches)
    info = earlier
    try:
        with heartbeat.watching(engine.snapshot):
            worked = engine.run(retry_failed=retry_failed)
    finally:
        executor.close()
        if worked or not earlier:
            info = {
                "started": earlier.get("started", started.isoformat(timespec="seconds")),
                "wall_seconds": earlier.get("wall_seconds", 0.0) + time.monotonic() - clock,
                "hardware": environment.hardware(),
                "versions": environment.versions(),
                "git_commit": environment.git_commit(),
            }
            store.runs.put(plan.key(), info)
    return info, [f"{name}: {reason}" for name, reason in engine.stops.items()]
