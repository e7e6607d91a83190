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
"""Such as ``--limit 48``, for a first look; the bounds are those of the sweep as shipped."""
BUSY_LOOPS = 2
MAX_SLOWDOWN = 2.5
"""Wall time beside the busy loops, in multiples of that alone."""
MAX_SWEEP, MAX_AGAIN, MAX_ANSWER = 24.0, 0.5, 0.05
"""Processor time of the sweep, of the same sweep with nothing to do, and of ``--help`` or a mistake in the file.

In multiples of the loop's time, which is about 10 s on a two-core machine: 240, 5 and 0.5 s.
"""
LOOP = """\
import torch
torch.set_num_threads(1)
torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(192, 6, 768, batch_first=True).eval()
tokens = torch.randn(8, 160, 192)
with torch.inference_mode():
    for _ in range(430):
        tokens = torch.nn.functional.normalize(layer(tokens))
"""
BUSY = "while True: pass"
REPEATS = 3
"""Of what takes a moment; the least counts."""

pytestmark = [
    pytest.mark.perf,
    pytest.mark.skipif(not embedded_weights("unified").is_dir(), reason="the embedded weights are not there"),
]


@dataclass(frozen=True)
class Cost:
    """Seconds."""

    processor: float
    wall: float


def measure(*command: str, exit_code: int = 0) -> Cost:
    """What a program and the processes that it waits for take."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == exit_code, done.stderr
    return Cost(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


def least(*command: str, exit_code: int = 0) -> float:
    """The processor time of a short command."""
    return min(measure(*command, exit_code=exit_code).processor for _ in range(REPEATS))


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
    loop = measure("-c", LOOP).processor
    alone = measure(*sweep, str(tmp_path / "alone" / "iters"))
    loop = (loop + measure("-c", LOOP).processor) / 2
    again = least(*sweep, str(tmp_path / "alone" / "iters"))
    with busy(BUSY_LOOPS):
        beside = measure(*sweep, str(tmp_path / "beside" / "iters"))
    slowdown = beside.wall / alone.wall
    report = (
        f"iters.yaml on {os.cpu_count()} processors (load {os.getloadavg()[2]:.1f} in 15 minutes): "
        f"{alone.processor:.0f} s of processor time, {alone.processor / loop:.1f} times the loop's {loop:.1f} s; "
        f"{alone.wall:.0f} s alone, {beside.wall:.0f} s beside {BUSY_LOOPS} busy loops, {slowdown:.2f} times as long; "
        f"again with nothing to do {again:.1f} s of processor time, {again / loop:.2f} times the loop's"
    )
    print("\n" + report)  # noqa: T201 - the numbers are what this test is for
    assert alone.processor / loop <= MAX_SWEEP, report
    assert slowdown <= MAX_SLOWDOWN, report
    assert again / loop <= MAX_AGAIN, report


def test_help_and_mistakes_are_answered_at_once(tmp_path: Path) -> None:
    mistaken = tmp_path / "mistaken.yaml"
    mistaken.write_text(find("iters.yaml").read_text().replace("baseline: single-pass", "baseline: none-such"))
    loop = measure("-c", LOOP).processor
    answers = {
        "--help": least("-m", "evalharness.sweep", "--help"),
        "evalharness --help": least("-m", "evalharness.cli.main", "--help"),
        "a mistake": least("-m", "evalharness.sweep", str(mistaken), exit_code=2),
    }
    seconds = ", ".join(f"{name} {spent:.2f} s" for name, spent in answers.items())
    report = f"{seconds} of processor time; the loop takes {loop:.1f} s"
    print("\n" + report)  # noqa: T201 - the numbers are what this test is for
    assert max(answers.values()) / loop <= MAX_ANSWER, report
