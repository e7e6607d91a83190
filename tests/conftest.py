from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import core_fakes
import pytest
from core_fakes import SWEEP

import evalharness.report
from evalharness.execution.executors import local
from evalharness.generation import variants

pytest_plugins = ["bagel_fixtures", "detector_fixtures", "judge_fixtures", "miniature_fixtures", "report_fixtures"]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor ``local`` starts no child unless a sweep asks for workers: a child lacks a test's patches."""
    monkeypatch.setattr(local, "MIN_WORK", math.inf)


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
    def write(text: str = SWEEP) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(text)
        return path

    return write
