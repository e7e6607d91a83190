"""One run of a plan against a store: draw and score what is missing, and record what it took."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalharness._util.files import write_text_atomically
from evalharness._util.filesystems import network_filesystem
from evalharness._util.progress import Progress
from evalharness.execution.addresses import moved_endpoints
from evalharness.execution.canary import CheckedArm
from evalharness.execution.engine import Engine, MakeSearches
from evalharness.execution.former_identities import adopt_former_results
from evalharness.execution.heartbeat import Heartbeat
from evalharness.execution.image_features import compute_features
from evalharness.execution.imported import imported_images
from evalharness.execution.model_warnings import model_warnings
from evalharness.execution.parts import ALL, Parts
from evalharness.execution.signals import stopping_on_signal
from evalharness.planning.plan import Plan
from evalharness.planning.plan_record import NAME, plan_text
from evalharness.store.declarations import record_declarations
from evalharness.store.spoken_formats import record_formats
from evalharness.store.store import Store

USE_LOCAL_DISK = "put the store on a disk of this machine with --store"


def run_plan(
    plan: Plan,
    store: Store,
    out: Path,
    *,
    progress: Progress,
    make_searches: MakeSearches | None = None,
    retry_failed: bool = False,
    parts: Parts = ALL,
    check_space: bool = False,
) -> dict[str, Any]:
    """Draw and score what the store lacks; ``out`` gets a status file while the run goes on.

    Args:
        make_searches: Makes the searches whose intermediate images are scored once all samples are.
        retry_failed: Try again what failed in an earlier run.
        parts: The parts of the run that are done.
        check_space: Stop if the disk has less space than the images to draw will take.

    Returns:
        The circumstances for the report, summed over all runs of this plan: start, wall time in seconds, imported
        images, and warnings. Where results were made is recorded with them.

    Raises:
        ConfigError: The disk is too small.
        OSError: ``out`` cannot be created.
    """
    before = [*moved_endpoints(plan, store), *model_warnings(plan)]
    for warning in [*before, *_network_warnings(store)]:  # before anything is asked of them
        progress.say(f"warning: {warning}")
    executor = plan.sweep.executor.build()
    engine = Engine(plan, store, executor, progress, parts, make_searches, retry_failed, check_space)
    info = _work(engine, out)
    if parts.scoring and not engine.stopping:
        compute_features(plan, store, progress)
    imported = imported_images(plan, store)
    warnings = [f"{name}: {reason}" for name, reason in engine.stops.items()]
    warnings += engine.device_warnings + imported.get("warnings", [])
    for warning in warnings:
        progress.say(f"warning: {warning}")
    return info | imported | {"warnings": before + warnings}


def check_plan(
    plan: Plan, store: Store, out: Path, *, progress: Progress, retry_failed: bool = False, parts: Parts = ALL
) -> list[CheckedArm]:
    """Draw and score a sample of each arm and benchmark that the store lacks; the results are kept.

    Returns:
        What became of them; empty if nothing is missing.
    """
    for warning in [*moved_endpoints(plan, store), *model_warnings(plan), *_network_warnings(store)]:
        progress.say(f"warning: {warning}")
    parts, executor = replace(parts, check="only"), plan.sweep.executor.build()
    engine = Engine(plan, store, executor, progress, parts, retry_failed=retry_failed)
    _work(engine, out)
    for name, reason in engine.stops.items():
        progress.say(f"warning: {name}: {reason}")
    return engine.checked


def _network_warnings(store: Store) -> list[str]:
    kind = network_filesystem(store.path)
    warning = f"{store.path} is on a network file system ({kind}), where a database can be damaged; {USE_LOCAL_DISK}"
    return [] if kind is None else [warning]


def _work(engine: Engine, out: Path) -> dict[str, Any]:
    """Do the work, then return the record of this plan's runs."""
    plan, store = engine.plan, engine.store
    out.mkdir(parents=True, exist_ok=True)
    for line in adopt_former_results(plan, store):
        engine.progress.say(line)
    heartbeat = Heartbeat(out, plan.sweep.resolved(), store.path.absolute())
    record_declarations(plan, store)
    record_formats(plan, store)
    earlier = store.runs.get(plan.key())
    started, clock, worked = datetime.now(UTC), time.monotonic(), -1
    engine.prepare()  # before anything is recorded of a run that cannot begin
    write_text_atomically(out / NAME, plan_text(plan))  # before the status, which is read with it
    info = earlier
    try:
        with heartbeat.watching(engine.snapshot), stopping_on_signal(engine.stop):
            worked = engine.run()
    finally:
        engine.device_warnings = engine.executor.warnings()
        engine.executor.close()
        if worked or not earlier:
            info = {
                "started": earlier.get("started", started.isoformat(timespec="seconds")),
                "wall_seconds": earlier.get("wall_seconds", 0.0) + time.monotonic() - clock,
            }
            store.runs.put(plan.key(), info)
    return info
