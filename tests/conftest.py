from __future__ import annotations

import math
import signal
from collections.abc import Callable
from pathlib import Path

import crash_plugins
import mock_sweeps
import pytest
from hypothesis import HealthCheck, settings
from plugin_packages import InstallPlugins, Plugins, install_package

from evalharness import testing
from evalharness.execution.executors import local
from evalharness.generation import steps
from evalharness.testing import MockModel, MockScorer

ROOMS = ("bagel", "detector", "images", "judge", "miniature", "process", "report")
pytest_plugins = [f"{room}_fixtures" for room in ROOMS]
# Machines are shared: how long an example takes says nothing of the code. Examples are the same in each run, so that a
# change is judged by what it changes; --hypothesis-profile=search looks for new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("repeatable")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what is in the background so, and the processes that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor ``local`` starts no child unless a sweep asks for workers: a child lacks a test's patches."""
    monkeypatch.setattr(local, "MIN_WORK", math.inf)
    monkeypatch.setattr(local, "MAY_HAND_OVER", False)


@pytest.fixture(autouse=True)
def empty_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs of the mocks are those of one test."""
    monkeypatch.setattr(MockModel, "drawn", [])
    monkeypatch.setattr(MockScorer, "scored", [])


@pytest.fixture
def install_plugins(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> InstallPlugins:
    """Installs plugins for a test and the processes that it starts, see :class:`~plugin_packages.InstallPlugins`."""

    def install(**plugins: Plugins) -> None:
        folder = tmp_path_factory.mktemp("plugins")
        monkeypatch.setenv("PYTHONPATH", install_package(folder, **plugins))
        monkeypatch.syspath_prepend(folder)

    return install


@pytest.fixture
def crashing_plugins(install_plugins: InstallPlugins) -> None:
    """The plugins of ``crash_plugins`` are installed."""
    install_plugins(**crash_plugins.PLUGINS)


@pytest.fixture
def mock_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only while the mock model draws: the ``seconds`` of its settings for each batch, without waiting."""
    clock = mock_sweeps.Clock()
    monkeypatch.setattr(testing, "time", clock)
    monkeypatch.setattr(steps, "time", clock)


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[[str], Path]:
    """A function that writes a sweep file."""

    def write(text: str = mock_sweeps.SWEEP) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(text)
        return path

    return write
