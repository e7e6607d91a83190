from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import core_fakes
import judge_fakes
import pytest

import evalharness.report
from evalharness.api import registry
from evalharness.generation import variants

KEY = "sk-planted-q7Vx0mTz4RkE9wLbXYZ"


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", core_fakes.load)
    monkeypatch.setattr(evalharness.report, "build", core_fakes.build)
    monkeypatch.setattr(variants, "run", core_fakes.run)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    return KEY


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sweep file whose images the judge looks at."""

    def write(judge: str, items: int = 6) -> Path:
        path = tmp_path / "judged.yaml"
        path.write_text(judge_fakes.SWEEP.format(items=items, judge=judge))
        return path

    return write
