"""The first samples of a run go through all stages before the others are begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from judge_server import Answer, completion, error, serving
from mock_sweeps import IN_PROCESS, SINGLE, SWEEP, draw_and_score, states
from PIL import Image
from plugin_packages import InstallPlugins

import evalharness as eh
from evalharness.cli import sweep
from evalharness.errors import ConfigError, WeightsError
from evalharness.store.store import Store
from evalharness.testing import MockBenchmark, MockModel, MockScorer
from evalharness.types.item import Item
from evalharness.types.score import Score

Write = Callable[[str], Path]
MANY = SINGLE.replace("limit: 6", "limit: 10").replace("samples: 1", "samples: 2")
"""Twenty samples of one arm."""


class BrokenScorer(MockScorer):
    """A scorer whose weights are there, but cannot be loaded."""

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        raise WeightsError("the detector's checkpoint cannot be loaded")


class BrokenBenchmark(MockBenchmark):
    name = "broken"

    def scorer(self) -> BrokenScorer:
        return BrokenScorer()


class AbsentScorer(MockScorer):
    """A scorer whose weights are not on this machine."""

    def identity(self) -> Mapping[str, Any]:
        raise WeightsError("no detector here")


class AbsentBenchmark(MockBenchmark):
    name = "absent"

    def scorer(self) -> AbsentScorer:
        return AbsentScorer()


class EventModel(MockModel):
    """Notes what is drawn, in order with what is scored."""

    name = "events"
    events: ClassVar[list[str]] = []

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> Any:
        drawn = super().paint(prompts, seeds)
        EventModel.events += ["draw"] * len(prompts)
        return drawn


class EventScorer(MockScorer):
    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        scores = super().score(images, items)
        EventModel.events += ["score"] * len(items)
        return scores


class EventBenchmark(MockBenchmark):
    name = "events"

    def scorer(self) -> EventScorer:
        return EventScorer(self.settings.unscorable)


@pytest.fixture
def events(install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    install_plugins(models=[EventModel], benchmarks=[EventBenchmark])
    monkeypatch.setattr(EventModel, "events", log := [])
    return log


def run(file: Path, out: Path, *options: str) -> int:
    return sweep.main([str(file), "--out", str(out), "--quiet", *options])


def stored(out: Path, table: str) -> int:
    with Store(out.parent / "store", write=False) as store:
        return int(store.database.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


EXECUTORS = {"in process": IN_PROCESS, "children": "executor: {name: local, workers: 2}\n"}


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_a_scorer_that_cannot_be_loaded_ends_the_run_after_one_drawing(
    install_plugins: InstallPlugins,
    sweep_file: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    executor: str,
) -> None:
    install_plugins(benchmarks=[BrokenBenchmark])
    file, out = sweep_file(MANY.replace("name: mock", "name: broken") + executor), tmp_path / "r" / "x"
    assert run(file, out) == 2
    assert capsys.readouterr().err == "evalharness: the detector's checkpoint cannot be loaded\n"
    assert stored(out, "trajectories") == 1


def test_one_sample_of_each_arm_is_scored_first(sweep_file: Write, tmp_path: Path, events: list[str]) -> None:
    text = SWEEP.replace("mock", "events").replace("samples: 1", "samples: 2")
    assert states(draw_and_score(sweep_file(text), tmp_path / "r" / "x")) == {"scored"}
    first = events.index("score")
    assert len(events[:first]) == 3, "a single pass, and a process of two iterations"
    assert "score" not in events[events.index("draw", first) : -events[::-1].index("draw")], "the rest as before"


def test_a_failed_first_sample_is_followed_by_another(sweep_file: Write, tmp_path: Path, events: list[str]) -> None:
    """Its scorer is tried all the same before the bulk."""
    text = SINGLE.replace("mock", "events").replace("limit: 6", "prompts: [broken a, broken b, c, d, e, f, g, h]")
    text = text.replace("model: events", "model: {name: events, fails: [broken]}")
    draw_and_score(sweep_file(text), tmp_path / "r" / "x")
    assert events == ["draw", "score"] + ["draw"] * 5 + ["score"] * 5


def test_an_arm_whose_first_samples_fail_is_told_and_the_run_goes_on(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SINGLE.replace("limit: 6", "prompts: [broken a, broken b, broken c, d, e, f]")
    file, out = sweep_file(text.replace("model: mock", "model: {name: mock, fails: [broken]}")), tmp_path / "r" / "x"
    assert run(file, out) == 3
    line = "warning: single on mock: the first 3 samples failed, the last: ValueError: the mock fails on 'broken'"
    assert line in capsys.readouterr().err.splitlines()
    assert stored(out, "scores") == 3


def test_a_judge_that_cannot_be_reached_ends_the_run_after_one_drawing(
    judged: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r" / "x"
    with serving(lambda call: Answer(error("who?"), 401)) as (_, url):
        judge = f"{{name: openai, model: judge-1, base_url: {url}, key_env: JUDGE_KEY, backoff: 0.01}}"
        assert run(judged(judge, 10), out) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("check the key in the environment variable JUDGE_KEY")
    assert stored(out, "trajectories") == 1
    with serving(lambda call: Answer(completion("Score: 1"))) as (_, url):
        judge = f"{{name: openai, model: judge-1, base_url: {url}, key_env: JUDGE_KEY, backoff: 0.01}}"
        assert run(judged(judge, 10), out) == 0
    assert stored(out, "scores") == 10


class TestCheck:
    def test_does_one_sample_of_each_arm_which_counts(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
        assert run(file, out, "--check") == 0
        lines = capsys.readouterr().out.splitlines()
        arms = ["single", *(f"process max_iterations={cap}" for cap in (1, 2, 3))]
        assert lines == [f"{arm} on mock: a sample went through" for arm in arms]
        assert stored(out, "trajectories") == 2
        assert not (out / "index.html").exists()
        drawn = list(MockModel.drawn)
        uninterrupted = draw_and_score(file, tmp_path / "other" / "x")
        MockModel.drawn[:] = drawn
        assert draw_and_score(file, out) == uninterrupted
        assert len(MockModel.drawn) == len(set(MockModel.drawn)), "nothing is drawn twice"
        assert run(file, out, "--check") == 0
        assert capsys.readouterr().out == "nothing is missing, so there is nothing to check\n"

    def test_a_failure_is_exit_code_1(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = MANY.replace("model: mock", "model: {name: mock, fails: [thing]}")
        assert run(sweep_file(text), tmp_path / "r" / "x", "--check") == 1
        assert capsys.readouterr().out == (
            "single on mock: the first 3 samples failed, the last: ValueError: the mock fails on 'thing'\n"
        )

    def test_a_scorer_that_cannot_be_loaded_is_exit_code_2(
        self, install_plugins: InstallPlugins, sweep_file: Write, tmp_path: Path
    ) -> None:
        install_plugins(benchmarks=[BrokenBenchmark])
        assert run(sweep_file(MANY.replace("name: mock", "name: broken")), tmp_path / "r" / "x", "--check") == 2


class TestParts:
    def test_drawing_and_scoring_apart_equal_both_at_once(
        self, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
        together = draw_and_score(file, tmp_path / "other" / "x")
        MockScorer.scored.clear()
        assert run(file, out, "--draw-only") == 0
        assert capsys.readouterr().out.startswith("24 of 24 images drawn: ")
        assert (stored(out, "scores"), MockScorer.scored, (out / "index.html").exists()) == (0, [], False)
        MockModel.drawn.clear()
        assert run(file, out, "--score-only") == 0
        assert (MockModel.drawn, (out / "index.html").exists()) == ([], True)
        assert draw_and_score(file, out) == together

    def test_what_is_not_drawn_stays_pending(self, sweep_file: Write, tmp_path: Path) -> None:
        file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
        eh.run(file, out=out, only=["single"], draw_only=True, quiet=True).close()
        with eh.run(file, out=out, score_only=True, quiet=True) as results:
            counts = results.samples.groupby("arm")["state"].unique().map(list).to_dict()
        assert counts.pop("single") == ["scored"]
        assert set(map(tuple, counts.values())) == {("pending",)}

    def test_scorers_may_be_missing_where_images_are_only_drawn(
        self, install_plugins: InstallPlugins, sweep_file: Write, tmp_path: Path
    ) -> None:
        install_plugins(benchmarks=[AbsentBenchmark])
        file, out = sweep_file(MANY.replace("name: mock", "name: absent")), tmp_path / "r" / "x"
        assert run(file, out) == 2
        assert run(file, out, "--draw-only") == 0
        assert stored(out, "trajectories") == 20

    def test_both_exclude_each_other(self, sweep_file: Write, tmp_path: Path) -> None:
        with pytest.raises(SystemExit):
            run(sweep_file(SWEEP), tmp_path / "r" / "x", "--draw-only", "--score-only")
        with pytest.raises(ConfigError, match="exclude each other"):
            eh.run(sweep_file(SWEEP), out=tmp_path / "r" / "x", draw_only=True, score_only=True)
