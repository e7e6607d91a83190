"""What ``iters.yaml`` costs as shipped: processor time beside a fixed loop, and wall time on a busy machine."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evalharness.assets.weights_folder import embedded_weights
from evalharness.config.sweep_files import find

OPTIONS = os.environ.get("EVALHARNESS_SWEEP_OPTIONS", "").split()
"""Such as ``--limit 48``, for a first look; the bound on processor time is that of the sweep as shipped."""
BUSY_LOOPS = 2
MAX_SLOWDOWN = 2.5
"""Wall time beside the busy loops, in multiples of that alone."""
MAX_LOOPS = 24.0
"""Processor time of the sweep, in multiples of the loop's, which takes about 10 s on the two-core machine on which the
sweep may take 240 s."""
LOOP = """\
import torch
torch.set_num_threads(1)
torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(192, 6, 768, batch_first=True).eval()
tokens = torch.randn(8, 160, 192)
with torch.inference_mode():
    for _ in range(ROUNDS):
        tokens = torch.nn.functional.normalize(layer(tokens))
"""
ROUNDS = 430
BUSY = "while True: pass"

pytestmark = [
    pytest.mark.perf,
    pytest.mark.skipif(not embedded_weights("unified").is_dir(), reason="the embedded weights are not there"),
]


@dataclass(frozen=True)
class Cost:
    """Seconds."""

    processor: float
    wall: float


def measure(*command: str) -> Cost:
    """What a program and the processes that it waits for take."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_the_main_sweep_is_cheap_and_shares_the_machine(tmp_path: Path) -> None:
    sweep = ["-m", "evalharness.sweep", str(find("iters.yaml")), *OPTIONS, "--quiet", "--out"]
    loop = measure("-c", LOOP.replace("ROUNDS", str(ROUNDS))).processor
    alone = measure(*sweep, str(tmp_path / "alone" / "iters"))
    loop = (loop + measure("-c", LOOP.replace("ROUNDS", str(ROUNDS))).processor) / 2
    again = measure(*sweep, str(tmp_path / "alone" / "iters"))
    with busy(BUSY_LOOPS):
        beside = measure(*sweep, str(tmp_path / "beside" / "iters"))
    slowdown, loops = beside.wall / alone.wall, alone.processor / loop
    report = (
        f"iters.yaml on {os.cpu_count()} processors (load {os.getloadavg()[2]:.1f} in 15 minutes): "
        f"{alone.processor:.0f} s of processor time, {loops:.1f} times the loop's {loop:.1f} s; "
        f"{alone.wall:.0f} s alone, {beside.wall:.0f} s beside {BUSY_LOOPS} busy loops, {slowdown:.2f} times as long; "
        f"again with nothing to do {again.processor:.1f} s of processor time"
    )
    print("\n" + report)  # noqa: T201 - the numbers are what this test is for
    assert loops <= MAX_LOOPS, report
    assert slowdown <= MAX_SLOWDOWN, report
