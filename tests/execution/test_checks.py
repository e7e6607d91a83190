"""Checks by a scorer that needs no judge: the engine makes no difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mock_sweeps import SINGLE, draw_and_score, run_without_report
from PIL import Image
from plugin_packages import InstallPlugins

from evalharness.api.benchmark import Rescoring, Scorer
from evalharness.errors import SampleError
from evalharness.testing import MockBenchmark, MockScorer
from evalharness.types.item import Item
from evalharness.types.score import Score


class Blind(Scorer):
    """Another scorer; some images it cannot see."""

    batch_size = 4
    scored: list[str] = []  # noqa: RUF012 - by any instance
    broken = True

    def identity(self) -> Mapping[str, Any]:
        return {"name": "blind"}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        if Blind.broken and any(item.id == "3" for item in items):
            raise SampleError("too dark")
        Blind.scored += [item.id for item in items]
        return [Score(0.5) for _ in images]


class CheckedBenchmark(MockBenchmark):
    name = "checked"

    def rescorings(self) -> list[Rescoring]:
        return [Rescoring("blind", "second", Blind()), Rescoring("some", "repeat", MockScorer(), items=3)]


@pytest.fixture
def file(sweep_file: Callable[[str], Path], install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> Path:
    install_plugins(benchmarks=[CheckedBenchmark])
    monkeypatch.setattr(Blind, "scored", [])
    monkeypatch.setattr(Blind, "broken", True)
    return sweep_file(SINGLE.replace("name: mock", "name: checked"))


def test_checks_are_scored_beside_and_tried_again(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "r" / "x"
    with run_without_report(file, out) as results:
        checks, samples = results.data.checks, results.samples
    assert checks is not None
    blind, some = (checks[checks["check"] == name] for name in ("blind", "some"))
    assert dict(zip(blind["item"], blind["state"], strict=True)) == {
        item: "failed" if item == "3" else "scored" for item in samples["item"]
    }
    assert set(blind["reason"]) == {"", "too dark"}
    assert len(some) == 3, "so many items, though the sweep has more"
    assert (some["score"] == some["other"]).all(), "the same scorer and image share their score"
    assert (samples["state"] == "scored").all()
    scored = list(Blind.scored)
    draw_and_score(file, out)
    assert Blind.scored == scored
    Blind.broken = False
    with run_without_report(file, out, retry_failed=True) as results:
        assert Blind.scored == [*scored, "3"]
        details = results.data.details(str(results.samples["score_key"].iloc[0]))
    assert details["checks"]["blind"] == {"value": 0.5, "reason": ""}
