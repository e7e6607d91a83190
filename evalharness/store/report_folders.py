"""The folders of reports: one run at a time writes into a folder, and a trial does not replace a larger report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness._util.file_lock import LockedError, lock_file
from evalharness._util.regular_files import read_regular
from evalharness.errors import ConfigError
from evalharness.planning.plan import Plan
from evalharness.planning.subsets import Size

REPORTS = Path("reports")
"""The default folder of reports, relative to the working directory."""
RESULTS = "results.json"
"""The file that makes a folder a report."""
PLAN = "data/plan.json"
"""The plan of a report."""
LOCK = ".lock"


def report_folder(name: str, size: Size) -> Path:
    """The default folder of a report: a trial of a sweep has one beside that of the sweep."""
    return REPORTS / (f"{name}-{size.label}" if size.label else name)


@contextlib.contextmanager
def locked_folder(out: Path) -> Iterator[None]:
    """Create the folder of a report, and keep other runs out of it until the block ends.

    Raises:
        ConfigError: Another run writes there, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = lock_file(out / LOCK)
    except LockedError as error:
        raise ConfigError(
            f"{out} is being written by another run (pid {error.pid}); wait, or choose another --out"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot write the report to {out}: {error.strerror}; choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def require_no_larger_report(out: Path, plan: Plan) -> None:
    """Check that a folder has no report of samples that a trial lacks, or of another sweep.

    Raises:
        ConfigError: It has.
    """
    try:
        info = json.loads(read_regular(out / RESULTS))["info"]
        lacking = _lacking(info, plan)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # no report
    if lacking:
        raise ConfigError(f"{out} holds the report of {lacking}; choose another --out, or delete it")


def _lacking(info: Mapping[str, Any], plan: Plan) -> str:
    """What a report is of and a plan lacks, in words; empty if the plan has it all."""
    if info["name"] != plan.sweep.name:
        return f"the sweep {info['name']!r}"
    arms = {arm.name for arm in plan.sweep.arms}
    for arm in info["sweep"]["arms"]:
        if arm["name"] not in arms:
            return f"the arm {arm['name']!r}, which this run leaves out"
    for name, reported in info["benchmarks"].items():
        planned = plan.benchmarks.get(name)
        if planned is None:
            return f"the benchmark {name!r}, which this run leaves out"
        if reported["items"] > len(planned.items):
            return f"{reported['items']} prompts of {name!r}, of which this run takes {len(planned.items)}"
        if reported["samples"] > planned.samples:
            return f"{reported['samples']} images per prompt of {name!r}, and this run makes {planned.samples}"
    return ""
