from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import core_fakes
import crash_plugins
import mock_sweeps
import pytest
from plugin_packages import InstallPlugins, install_package

import evalharness.report
from evalharness import testing
from evalharness.api.plugin import Plugin
from evalharness.execution.executors import local
from evalharness.generation import steps, variants
from evalharness.testing import MockModel, MockScorer

pytest_plugins = ["bagel_fixtures", "detector_fixtures", "judge_fixtures", "miniature_fixtures", "report_fixtures"]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor ``local`` starts no child unless a sweep asks for workers: a child lacks a test's patches."""
    monkeypatch.setattr(local, "MIN_WORK", math.inf)


@pytest.fixture(autouse=True)
def empty_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs of the mocks are those of one test."""
    monkeypatch.setattr(MockModel, "drawn", [])
    monkeypatch.setattr(MockScorer, "scored", [])


@pytest.fixture
def install_plugins(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> InstallPlugins:
    """Installs classes for a test, in this process, see :class:`~plugin_packages.InstallPlugins`."""

    def install(**plugins: Sequence[type[Plugin]]) -> None:
        folder = tmp_path_factory.mktemp("plugins")
        entries = {
            kind: {plugin.name: f"{plugin.__module__}:{plugin.__qualname__}" for plugin in classes}
            for kind, classes in plugins.items()
        }
        install_package(folder, "for-a-test", entries)
        monkeypatch.syspath_prepend(folder)

    return install


@pytest.fixture
def crashing_plugins(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins of ``crash_plugins`` are installed, for child processes too."""
    folder = tmp_path_factory.mktemp("crashing")
    monkeypatch.setenv("PYTHONPATH", crash_plugins.install(folder)["PYTHONPATH"])
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def mock_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only while the mock model draws: the ``seconds`` of its settings for each batch, without waiting."""
    clock = mock_sweeps.Clock()
    monkeypatch.setattr(testing, "time", clock)
    monkeypatch.setattr(steps, "time", clock)


@pytest.fixture(scope="session")
def fakes_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fakes")
    core_fakes.install(folder)
    return folder


@pytest.fixture
def fake_plugins(fakes_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins of ``core_fakes`` are installed, for child processes too."""
    monkeypatch.syspath_prepend(fakes_package)
    paths = [str(fakes_package), str(Path(core_fakes.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setattr(core_fakes.FakeModel, "painted", [])
    monkeypatch.setattr(core_fakes.FakeScorer, "looked", 0)


@pytest.fixture
def fake_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evalharness.report, "build", core_fakes.build)


@pytest.fixture
def fakes(fake_plugins: None, fake_report: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "run", core_fakes.run)


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[[str], Path]:
    """A function that writes a sweep file."""

    def write(text: str = mock_sweeps.SWEEP) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(text)
        return path

    return write
