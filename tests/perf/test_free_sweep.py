"""What the harness itself takes of a sweep grows no faster than the number of its samples.

EVALHARNESS_PERF_SAMPLES sets another number of samples than 8,000.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLES = int(os.environ.get("EVALHARNESS_PERF_SAMPLES", "8000"))
PARTS = 4
"""The small sweep has a fourth of the samples."""
MAX_GROWTH = 1.15
"""How many times as much the large sweep may take for each sample."""
MAX_AGAIN = 0.6
"""What the same sweep with nothing to do may take, report included, in multiples of the run."""

pytestmark = pytest.mark.perf


def free_sweep(samples: int, folder: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("free_sweep.py")
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1] / "helpers")}
    command = [sys.executable, str(script), str(samples), str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_time_memory_and_store_grow_with_the_samples(tmp_path: Path) -> None:
    small, large = (free_sweep(count, tmp_path / str(count)) for count in (SAMPLES // PARTS, SAMPLES))
    growth = {name: large[name]["processor"] / small[name]["processor"] for name in ("run", "again", "report")}
    growth["database"] = large["database_bytes"] / small["database_bytes"]
    peak = max(large[name]["peak_mib"] for name in ("run", "again", "report"))
    again = large["again"]["processor"] / large["run"]["processor"]
    report = (
        f"{large['samples']:,} samples, {PARTS} times as many: "
        + ", ".join(f"{name} {times:.2f} times" for name, times in growth.items())
        + f"; {large['run']['processor']:.1f} s, with nothing to do {again:.2f} times that; {peak:.0f} MiB at most"
    )
    print("\n" + report)  # noqa: T201 - the numbers are what this test is for
    assert max(growth.values()) <= MAX_GROWTH * PARTS, report
    assert again <= MAX_AGAIN, report
