"""Checks by a scorer that needs no judge: the engine makes no difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import core_fakes
import pytest
from core_fakes import SWEEP, FakeBenchmark, FakeScorer
from PIL import Image

import evalharness.report
from evalharness.api.benchmark import Rescoring, Scorer
from evalharness.cli import sweep
from evalharness.errors import SampleError
from evalharness.store.results import Results
from evalharness.types.item import Item
from evalharness.types.score import Score

seen: list[Results] = []
evidence: list[dict[str, Any]] = []


class Blind(Scorer):
    """Another scorer; some images it cannot see."""

    batch_size = 4
    looked: list[str] = []  # noqa: RUF012 - by any instance
    broken = True

    def identity(self) -> Mapping[str, Any]:
        return {"name": "blind"}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        if Blind.broken and any(item.id == "3" for item in items):
            raise SampleError("too dark")
        Blind.looked += [item.id for item in items]
        return [Score(0.5) for _ in images]


class CheckedBenchmark(FakeBenchmark):
    def rescorings(self) -> list[Rescoring]:
        return [Rescoring("blind", "second", Blind()), Rescoring("some", "repeat", FakeScorer(), items=3)]


@pytest.fixture
def checked(fakes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(results: Results, out: Path, **options: Any) -> Path:
        seen.append(results)
        evidence.append(results.details(str(results.samples["score_key"].iloc[0])))
        return core_fakes.build(results, out)

    monkeypatch.setattr(core_fakes, "FakeBenchmark", CheckedBenchmark)
    monkeypatch.setattr(evalharness.report, "build", build)
    monkeypatch.setattr(Blind, "looked", [])
    monkeypatch.setattr(Blind, "broken", True)
    seen.clear()


@pytest.mark.usefixtures("checked")
def test_checks_are_scored_beside_and_tried_again(sweep_file: Callable[[str], Path], tmp_path: Path) -> None:
    text = SWEEP.split("  - {name: process")[0]
    command = [str(sweep_file(text)), "--out", str(tmp_path / "r" / "x")]
    assert sweep.main(command) == 0
    checks = seen[-1].checks
    assert checks is not None
    blind, some = (checks[checks["check"] == name] for name in ("blind", "some"))
    assert dict(zip(blind["item"], blind["state"], strict=True)) == {
        item: "failed" if item == "3" else "scored" for item in seen[-1].samples["item"]
    }
    assert set(blind["reason"]) == {"", "too dark"}
    assert len(some) == 3, "so many items, though the sweep has more"
    assert (some["score"] == some["other"]).all(), "the same scorer and image share their score"
    assert (seen[-1].samples["state"] == "scored").all()
    looked = list(Blind.looked)
    sweep.main(command)
    assert Blind.looked == looked
    Blind.broken = False
    sweep.main([*command, "--retry-failed"])
    assert Blind.looked == [*looked, "3"]
    assert evidence[-1]["checks"]["blind"] == {"value": 0.5, "reason": ""}
