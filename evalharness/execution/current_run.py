"""The run that a folder or a sweep file stands for: how far it is, and the plan of the one that began last."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from evalharness.config.shards import sharded
from evalharness.execution import heartbeat
from evalharness.execution.heartbeat import RunStatus
from evalharness.planning.plan import Plan
from evalharness.planning.plan_record import NAME
from evalharness.planning.recorded_plans import read_plan
from evalharness.planning.subsets import Size
from evalharness.store.find_run import ALL, find_plan, find_report

RUN_RECORDS = (heartbeat.NAME, NAME)
"""What a run writes beside its report for commands that follow it. A report is complete without these files."""


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """A run, going on or not.

    Attributes:
        folder: of its report, which may not be written yet.
        status: what the status file says; ``None`` without one.
        plan: of the run that began last, which is not always that of the report.
        store: the folder of its store, which may not exist yet.
    """

    folder: Path
    status: RunStatus | None
    plan: Plan
    store: Path


def current_run(run: str, store: Path | None = None, size: Size = ALL) -> CurrentRun:
    """Find a run.

    Args:
        run: Folder of a report, or a sweep file.
        store: The store, if it is not the usual one.
        size: How much of the sweep was run, if ``run`` is a sweep file.

    Raises:
        ConfigError: There is no such run, or its files are damaged.
    """
    folder = find_report(run, size)
    status = heartbeat.read(folder)
    if status is not None:
        with contextlib.suppress(FileNotFoundError):
            plan = read_plan(folder / NAME)
            return CurrentRun(folder, status, plan, sharded(store or Path(status.store), plan.sweep.shard))
    return CurrentRun(folder, status, *find_plan(run, store, size))
