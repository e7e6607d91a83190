"""A key of an endpoint, and sweep files whose images a judge scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from judged_benchmark import AskedBenchmark
from mock_sweeps import IN_PROCESS
from plugin_packages import InstallPlugins

KEY = "sk-planted-q7Vx0mTz4RkE9wLbXYZ"
JUDGED = """\
name: judged
model: mock
benchmarks:
  - {{name: asked, items: {items}, judge: {judge}}}
arms:
  - {{name: single, variant: single_pass}}
"""


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key, which the environment variable ``JUDGE_KEY`` holds."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    return KEY


@pytest.fixture
def judged(tmp_path: Path, install_plugins: InstallPlugins) -> Callable[..., Path]:
    """A function that writes a sweep file with the benchmark of ``judged_benchmark``, which is installed."""
    install_plugins(benchmarks=[AskedBenchmark])

    def write(judge: str, items: int = 6) -> Path:
        path = tmp_path / "judged.yaml"
        path.write_text(JUDGED.format(items=items, judge=judge) + IN_PROCESS)
        return path

    return write
