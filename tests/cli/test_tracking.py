"""Results that go to a tracker, by modules that stand in for wandb and trackio and note their calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mock_sweeps import SWEEP

from evalharness.cli import main, sweep

Write = Callable[[str], Path]
TWO = SWEEP.replace("samples: 1", "samples: 2")


class FakeTracker(ModuleType):
    """The part of the interface that both trackers have; ``calls`` has what was asked of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.calls: list[tuple[str, Any]] = []
        self.broken = False

    def init(
        self, project: str | None = None, name: str | None = None, group: str | None = None, config: Any = None
    ) -> None:
        if self.broken:
            raise ConnectionError("no route to the tracker")
        self.calls.append(("init", (project, name, group, config)))

    def Image(self, data: str, caption: str | None = None) -> tuple[str, str | None]:  # noqa: N802 - their name
        assert Path(data).is_file()
        return ("image", caption)

    def log(self, data: dict[str, Any]) -> None:
        self.calls.append(("log", data))

    def finish(self) -> None:
        self.calls.append(("finish", None))


@pytest.fixture(params=["wandb", "trackio"])
def tracker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeTracker:
    module = FakeTracker(request.param)
    monkeypatch.setitem(sys.modules, request.param, module)
    return module


def test_each_arm_is_a_run_with_its_numbers(
    tracker: FakeTracker, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, name = tmp_path / "r" / "tiny", tracker.__name__
    options = ["--out", str(out), "--quiet", "--track", name, "--project", "mine"]
    assert sweep.main([str(sweep_file(TWO)), *options]) == 0
    assert capsys.readouterr().out.endswith(f"tracked: 4 arms in project 'mine' of {name}\n")
    assert [kind for kind, _ in tracker.calls] == ["init", "log", "finish"] * 4
    project, arm, group, config = tracker.calls[0][1]
    assert (project, arm, group) == ("mine", "single", "tiny")
    assert config["variant"] == "single_pass" and config["benchmarks"]["mock"]["prompts"] == 6
    metrics = tracker.calls[1][1]
    assert metrics["mock/score_low"] <= metrics["mock/score"] <= metrics["mock/score_high"]
    assert (metrics["mock/scored"], metrics["mock/expected"]) == (12, 12)
    assert {"mock/even", "mock/odd"} <= metrics.keys()
    assert "mock/difference" not in metrics  # the baseline has none
    assert "mock/difference_low" in tracker.calls[4][1]
    images = metrics["mock/images"]
    assert len(images) == 6 and all(" – " in caption for _, caption in images)
    assert all(isinstance(value, float) for key, value in metrics.items() if not key.endswith("/images"))
    tracker.calls.clear()
    assert main.main(["report", str(out), "--track", name]) == 0
    assert tracker.calls[0][1][0] == "tiny"


def test_an_incomplete_score_is_no_number(tracker: FakeTracker, sweep_file: Write, tmp_path: Path) -> None:
    text = SWEEP.replace("model: mock", "model: {name: mock, fails: [thing 3]}")
    options = ["--out", str(tmp_path / "r" / "tiny"), "--quiet", "--track", tracker.__name__]
    assert sweep.main([str(sweep_file(text)), *options]) == 3
    metrics = tracker.calls[1][1]
    assert "mock/score" not in metrics
    assert (metrics["mock/scored"], metrics["mock/failed"]) == (5, 1)


def test_a_tracker_that_fails_leaves_the_report(
    tracker: FakeTracker, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker.broken, out = True, tmp_path / "r" / "tiny"
    options = ["--out", str(out), "--quiet", "--track", tracker.__name__]
    assert sweep.main([str(sweep_file(SWEEP)), *options]) == 2
    assert f"but {tracker.__name__} failed at arm 'single': " in (said := capsys.readouterr().err)
    assert "no route to the tracker" in said
    assert (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--project", "p"], "--project needs --track"),
        (["--track", "wandbb"], "no tracker named 'wandbb'; did you mean 'wandb'?"),
        (["--track", "trackio", "--dry-run"], "--dry-run has no results"),
    ],
)
def test_mistakes_are_said_before_anything_is_drawn(
    options: list[str], words: str, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main([str(sweep_file(SWEEP)), "--out", str(tmp_path / "r" / "tiny"), "--quiet", *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_tracker_that_is_not_installed_is_named(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalharness.api.registry.find_spec", lambda package: None)
    assert sweep.main([str(sweep_file(SWEEP)), "--out", str(tmp_path / "r" / "tiny"), "--track", "wandb"]) == 2
    assert "pip install wandb" in capsys.readouterr().err
