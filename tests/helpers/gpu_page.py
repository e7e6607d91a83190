"""Fills docs/gpu.md: runs the checks and benchmarks that want a GPU, each within its time, and writes down their lines.

    python tests/helpers/gpu_page.py docs/gpu.md          # tox -e gpu
    python tests/helpers/gpu_page.py page.md --toy        # the same at toy size on a CPU

What fails or takes too long is written down as such, and the others go on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import figures

PERF = Path(__file__).resolve().parents[1] / "perf"


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: Its heading.
        seconds: The time that it may take.
        command: Arguments of Python on a GPU.
        toy: The same at toy size.
    """

    title: str
    seconds: int
    command: Sequence[str]
    toy: Sequence[str]


def benchmark(file: str, chosen: str) -> list[str]:
    return ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "perf", str(PERF / file), "-k", chosen]


DOCTOR = ["-m", "evalharness.cli.main", "doctor"]
SECTIONS = (
    Section("The machine and its kernels", 60, DOCTOR, DOCTOR),
    Section(
        "GenEval: Mask2Former Swin-S and CLIP against the published loop", 150,
        benchmark("test_geneval_speed.py", "published_program and cuda"),
        benchmark("test_geneval_speed.py", "no_toy_of_it"),
    ),
    Section(
        "BAGEL at full size, random weights, `exact` and `fast`", 240,
        benchmark("test_bagel_speed.py", "full_size_on_a_gpu"), benchmark("test_bagel_speed.py", "report_on_a_small"),
    ),
    Section(
        "A batch and its bytes", 70,
        benchmark("test_bagel_gpu.py", "no_byte and card"), benchmark("test_bagel_gpu.py", "no_byte and toy"),
    ),
    Section(
        "Two workers on one card", 70,
        benchmark("test_bagel_gpu.py", "two_workers and card"), benchmark("test_bagel_gpu.py", "two_workers and toy"),
    ),
)  # fmt: skip
"""Ten minutes together."""
HEAD = """\
# Figures from a GPU

`tox -e gpu` writes this page within ten minutes. It uses random weights and downloads nothing.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--toy", action="store_true", help="at toy size, on a CPU")
    options = parser.parse_args(arguments)
    size = ", at toy size: these figures say nothing but that the command works" if options.toy else ""
    parts = [HEAD, f"Measured on {date.today()}{size}.\n"]
    for section in SECTIONS:
        lines = figures_of(section.toy if options.toy else section.command, section.seconds)
        parts.append("\n".join([f"## {section.title}\n", "```text", *lines, "```\n"]))
    options.page.write_text("\n".join(parts), encoding="utf-8")
    return 0


def figures_of(command: Sequence[str], seconds: float) -> list[str]:
    """The lines that a command says, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures"
        environment = os.environ | {figures.FILE: str(file)}
        try:
            call = [sys.executable, *command]
            ran = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return [f"not measured: it took more than {seconds:g} s"]
        if file.is_file():
            return file.read_text(encoding="utf-8").splitlines()
        if "pytest" in command:
            reason = (ran.stdout.strip().splitlines() or ["no output"])[-1]
            return [f"not measured: {reason}"]
        return ran.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
