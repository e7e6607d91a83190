"""When and where results were made: it is stored with them, and the report says it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mock_sweeps import IN_PROCESS, run_without_report
from old_store import SWEEP as OLD_SWEEP
from old_store import write_old_store

from evalharness._util import environment
from evalharness.execution.executors import wire
from evalharness.report.environments import code_warnings, environment_facts, table_facts, table_warnings
from evalharness.store.merge import merge_stores
from evalharness.store.store import Store
from evalharness.testing import MockModel
from evalharness.types.origin import Origin
from evalharness.types.score import Score
from evalharness.types.trajectory import Step, Trajectory

Move = Callable[..., None]
SWEEP = """\
name: tiny
seed: 3
model: mock
benchmarks: [{name: mock, limit: 8, samples: 1}]
arms: [{name: a, variant: single_pass}, {name: b, variant: text_cot}, {name: c, variant: best_of_n, n: 2}]
"""
RESULTS = [Trajectory((Step("draw", image=b"png"),), origin=Origin("{}", 7)), Score(0.5, origin=Origin("{}", 7))]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """A function that makes this process seem to run on another machine."""

    def to(host: str, torch: str = "2.9", commit: str | None = None) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: host)
        monkeypatch.setattr(environment, "versions", lambda: {"evalharness": "1", "torch": torch})
        monkeypatch.setattr(environment, "git_commit", lambda: commit)
        environment.described_with.cache_clear()

    yield to
    environment.described_with.cache_clear()


@pytest.fixture
def file(sweep_file: Callable[[str], Path]) -> Path:
    return sweep_file(SWEEP + IN_PROCESS)


def test_a_run_that_was_resumed_elsewhere_names_both_machines(file: Path, tmp_path: Path, move: Move) -> None:
    move("first", torch="2.9")
    run_without_report(file, tmp_path / "r" / "x", only=["a", "b"]).close()
    move("second", torch="2.8")
    with run_without_report(file, tmp_path / "r" / "x") as results:
        facts = environment_facts(results.info)
        assert [label for label, _ in facts] == ["Environment 1 (first)", "Environment 2 (second)"]
        assert "16 samples drawn" in facts[0][1]
        assert "torch 2.9" in facts[0][1]
        assert "8 samples drawn" in facts[1][1]
        assert dict(table_facts(results.info, "mock"))["Drawn"] == (
            "a, b: 8 in environment 1 (first); c: 8 in environment 2 (second)"
        )
        drawn, *_ = table_warnings(results.info, "mock")
        assert drawn == ("arms that are compared were drawn in different environments: torch 2.9 (a, b) and 2.8 (c).")
        assert results.info["versions"]["torch"] == "2.9 / 2.8"


def test_a_rerun_that_draws_nothing_claims_nothing(file: Path, tmp_path: Path, move: Move) -> None:
    move("first")
    with run_without_report(file, tmp_path / "r" / "x") as results:
        before = results.info
    move("second", torch="2.8")
    MockModel.drawn.clear()
    with run_without_report(file, tmp_path / "r" / "x") as results:
        assert results.info == before
    with run_without_report(file, tmp_path / "r" / "y", only=["a"]) as results:
        assert [entry["host"] for entry in results.info["environments"]] == ["first"]
        assert results.info["versions"]["torch"] == "2.9"
    assert MockModel.drawn == []


def test_equal_machines_are_no_warning(file: Path, tmp_path: Path, move: Move) -> None:
    move("first")
    run_without_report(file, tmp_path / "r" / "x", only=["a"]).close()
    move("second")
    with run_without_report(file, tmp_path / "r" / "x") as results:
        assert len(results.info["environments"]) == 2
        assert table_warnings(results.info, "mock") == []


def test_code_that_no_commit_has_is_a_warning(file: Path, tmp_path: Path, move: Move) -> None:
    move("first", commit="0123456789abcdef+")
    with run_without_report(file, tmp_path / "r" / "x") as results:
        (line,) = code_warnings(results.info)
        assert "24 samples were drawn or scored by code with uncommitted changes" in line
        page = results.to_html(tmp_path / "r" / "x").read_text()
    warnings = page.partition("Before you quote a number")[2].partition("</aside>")[0]
    assert "uncommitted changes" in warnings


@pytest.mark.parametrize("write", [False, True])
def test_results_of_earlier_versions_do_not_say_where(
    sweep_file: Callable[[str], Path], tmp_path: Path, move: Move, write: bool
) -> None:
    store = tmp_path / "r" / "store"
    write_old_store(store)
    with Store(store, write=write) as opened:
        assert opened.environments.all() == {}
        rows = list(opened.trajectories.all())
        assert len(rows) == 8
        assert {row["origin"] for _, row in rows} == {None}
        assert {score.origin for *_, score in opened.scores.all()} == {None}
    move("second")
    with run_without_report(sweep_file(OLD_SWEEP + IN_PROCESS), tmp_path / "r" / "x") as results:
        entries = results.info["environments"]
        assert [entry["id"] for entry in entries if entry["drawn"]] == [None]
        (unknown,) = (text for label, text in environment_facts(results.info) if "not recorded" in label)
        assert unknown.startswith("not recorded; 8 samples drawn")


@pytest.mark.parametrize("result", RESULTS, ids=["trajectory", "score"])
def test_the_origin_of_a_result_crosses_processes(result: Trajectory | Score) -> None:
    assert wire.unpack_outcome(wire.pack_outcome(result)).origin == result.origin


def test_a_child_process_says_where_it_is(sweep_file: Callable[[str], Path], tmp_path: Path) -> None:
    with run_without_report(sweep_file(SWEEP + "executor: {name: local}\n"), tmp_path / "r" / "x") as results:
        (entry,) = results.info["environments"]
        assert entry["host"] == socket.gethostname()
        assert "torch" in entry["versions"]
        assert "evalharness" in entry["plugins"]


def test_a_merge_keeps_where_results_were_made(file: Path, tmp_path: Path, move: Move) -> None:
    move("first")
    run_without_report(file, tmp_path / "r" / "x").close()
    merge_stores([tmp_path / "r" / "store"], tmp_path / "other")
    with Store(tmp_path / "r" / "store", write=False) as one, Store(tmp_path / "other", write=False) as other:
        assert dict(one.trajectories.all()) == dict(other.trajectories.all())
        origins = [[score.origin for *_, score in store.scores.all()] for store in (one, other)]
        assert origins[0] == origins[1] != []
        assert one.environments.all() == other.environments.all() != {}
