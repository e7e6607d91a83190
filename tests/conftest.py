from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import core_fakes
import pytest
from core_fakes import SWEEP

import evalharness.report
from evalharness.api import registry
from evalharness.execution.executors import local
from evalharness.generation import variants


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor ``local`` starts no child unless a sweep asks for workers: a child lacks a test's plugins."""
    monkeypatch.setattr(local, "MIN_WORK", math.inf)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", core_fakes.load)
    monkeypatch.setattr(evalharness.report, "build", core_fakes.build, raising=False)
    monkeypatch.setattr(variants, "run", core_fakes.run)
    monkeypatch.setattr(core_fakes.FakeModel, "painted", [])
    monkeypatch.setattr(core_fakes.FakeScorer, "looked", 0)


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str = SWEEP) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(text)
        return path

    return write
