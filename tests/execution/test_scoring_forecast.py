"""The time that a dry run expects scores to take: that of stored scores by the same scorer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import rated_benchmark
from mock_sweeps import SINGLE, draw_and_score
from plugin_packages import InstallPlugins

from evalharness.cli import sweep
from evalharness.execution.executors.wire import pack_outcome, unpack_outcome
from evalharness.store.store import Store
from evalharness.types.score import Score, ScoringTime

Write = Callable[[str], Path]
JUDGED = SINGLE.replace(
    "{name: mock, limit: 6, samples: 1}", "{name: rated, items: 6, judge: {name: mumbling, mumbles: 1}}"
)


def said(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert sweep.main([str(file), "--out", str(file.parent / "r" / "x"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [
        line for line in lines if line.startswith(("images to score", "images to be judged", "expected time to sc"))
    ]


def each_took(file: Path, seconds: float) -> None:
    """Let all scores that were timed have taken so long."""
    with Store(file.parent / "r" / "store") as store, store.database.batch() as connection:
        connection.execute("UPDATE scores SET seconds = ? WHERE scorer IS NOT NULL", (seconds,))


def test_scores_take_as_long_as_stored_ones_of_the_same_scorer(
    sweep_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(SINGLE)
    assert said(file, capsys) == [
        "images to score for mock: at most 6",
        "expected time to score: unknown for 6 images; no such score was timed in the store",
    ]
    draw_and_score(file, file.parent / "r" / "x")
    assert said(file, capsys) == ["images to score for mock: at most 0", "expected time to score: nothing"]
    each_took(file, 2.5)
    assert said(sweep_file(SINGLE.replace("limit: 6", "limit: 10")), capsys) == [
        "images to score for mock: at most 4; 2.5 s each = 10 s (measured, 5 in the store)",
        "expected time to score: about 10 s, if scores take as long as those measured",
    ], "the first sample, which goes through all stages alone, also loads the scorer and is not timed"
    other = SINGLE.replace("limit: 6", "unscorable: [nothing], limit: 10").replace(
        "name: mock,", "name: mock, alias: x,"
    )
    assert "unknown" not in said(sweep_file(other), capsys)[-1], "another benchmark with the same scorer"


def test_calls_of_a_judge_are_counted_with_its_tries(
    sweep_file: Write, install_plugins: InstallPlugins, capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugins(**rated_benchmark.PLUGINS)
    file = sweep_file(JUDGED)
    assert said(file, capsys)[0] == "images to be judged for rated: at most 6, by at most 18 calls of the judge"
    draw_and_score(file, file.parent / "r" / "x")
    each_took(file, 60)
    line, total = said(sweep_file(JUDGED.replace("items: 6", "items: 7")), capsys)
    assert line.startswith(
        "images to be judged for rated: at most 1, by at most 3 calls of the judge; 60 s each = 1 min 0 s"
    )
    assert total.startswith("expected time to score: about 1 min 0 s")


def test_the_time_of_a_score_crosses_between_processes() -> None:
    score = Score(0.5, time=ScoringTime("s", 0.25))
    assert unpack_outcome(json.loads(json.dumps(pack_outcome(score)))).time == score.time
    assert unpack_outcome(pack_outcome(Score(0.5))).time is None


def test_checks_follow_scores_of_images_that_were_drawn_before(
    sweep_file: Write, install_plugins: InstallPlugins, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check has nothing to do at the beginning of such a run, and gets work from the scores."""
    install_plugins(**rated_benchmark.PLUGINS)
    file = sweep_file(JUDGED.replace("items: 6,", "items: 6, judge_repeats: 2, repeat_items: 3,"))
    command = [str(file), "--out", str(file.parent / "r" / "x")]
    assert sweep.main([*command, "--draw-only"]) == 0
    assert sweep.main([*command, "--score-only"]) == 0
    assert said(file, capsys)[-1] == "expected time to score: nothing"
