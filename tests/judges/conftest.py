from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import judge_fakes
import pytest

KEY = "sk-planted-q7Vx0mTz4RkE9wLbXYZ"


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
