"""When and where results were made: it is stored with them, and the report says it."""

from __future__ import annotations

import re
import socket
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from growing_model import GrowingModel
from hypothesis import given
from hypothesis import strategies as st
from mock_sweeps import IN_PROCESS, run_without_report
from old_store import SWEEP as OLD_SWEEP
from old_store import write_old_store
from plugin_packages import InstallPlugins

from evalharness._util import environment
from evalharness.execution.executors import wire
from evalharness.report.environments import (
    code_warnings,
    continued_fact,
    environment_facts,
    table_facts,
    table_warnings,
)
from evalharness.store.merge import merge_stores
from evalharness.store.store import Store
from evalharness.testing import MockModel
from evalharness.types.origin import Origin, Stretch, stretches_before
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


def test_code_that_no_commit_has_is_one_warning_for_all_commits(file: Path, tmp_path: Path, move: Move) -> None:
    dirty = ["0" * 40 + "+", "1" * 40 + "+"]
    move("first", commit=dirty[0])
    run_without_report(file, tmp_path / "r" / "x", only=["a"]).close()
    move("second", commit=dirty[1])
    with run_without_report(file, tmp_path / "r" / "x") as results:
        (line,) = code_warnings(results.info)
        page = results.to_html(tmp_path / "r" / "x").read_text()
    assert set(re.findall(r"[1-9]\d* \(commit (\w+\+)\)", line)) == {"00000000+", "11111111+"}
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


LONGER = """\
name: tiny
seed: 3
model: {name: growing, iterations: 9%s}
benchmarks: [{name: mock, limit: 8, samples: 1}]
arms: [{name: process, variant: process, max_iterations: 2..4}]
"""
SHORT, MIDDLE, LONG = (f"process max_iterations={cap}" for cap in (2, 3, 4))


@pytest.fixture
def longer(sweep_file: Callable[[str], Path], install_plugins: InstallPlugins) -> Callable[..., Path]:
    install_plugins(models=[GrowingModel])
    return lambda settings="": sweep_file(LONGER % settings + IN_PROCESS)


def places(info: Mapping[str, Any], kind: str) -> dict[str, dict[str, int]]:
    """Samples by host and arm."""
    return {entry.get("host", "?"): entry[kind]["mock"] for entry in info["environments"] if entry[kind]}


def drawn_on_three_machines(file: Path, out: Path, move: Move) -> dict[str, int]:
    """Begin with the shortest arm; returns how many samples each machine draws further."""
    drawn = {}
    for host, only in (("first", [SHORT]), ("second", [SHORT, MIDDLE]), ("third", [])):
        move(host, torch=host)
        with run_without_report(file, out, only=only) as results:
            longest = results.samples[results.samples["arm"] == results.samples["arm"].iloc[-1]]
            drawn[host] = int((longest["iterations"] == {"first": 2, "second": 3, "third": 4}[host]).sum())
    return drawn


def test_a_trajectory_that_was_begun_on_one_machine_and_ended_on_another_names_both(
    longer: Callable[..., Path], tmp_path: Path, move: Move
) -> None:
    file, out = longer(), tmp_path / "r" / "x"
    drawn = drawn_on_three_machines(file, out, move)
    with run_without_report(file, out) as results:
        info = results.info
        once = 8 - drawn["second"]
        assert 0 < drawn["third"] <= drawn["second"] <= 8
        assert places(info, "drawn")["first"][SHORT] == 8
        assert places(info, "drawn")["second"][MIDDLE] == places(info, "begun")["first"][MIDDLE] == drawn["second"]
        assert places(info, "drawn")["third"] == {LONG: drawn["third"]}
        assert places(info, "begun")["second"] == {LONG: drawn["third"]}
        assert places(info, "begun")["first"][LONG] == drawn["second"]
        assert SHORT not in places(info, "begun")["first"]
        assert places(info, "drawn")["first"].get(LONG, 0) == once
        assert info["continued"]["samples"]["mock"] == {MIDDLE: drawn["second"], LONG: drawn["second"]}
        assert info["continued"]["trajectories"] == drawn["second"]
        text = dict(table_facts(info, "mock"))["Drawn"]
        assert f"{drawn['third']} in environment" in text
        assert f"{drawn['third']} begun in environment" in text
        assert "drawn in different environments" in table_warnings(info, "mock")[0]
        assert continued_fact(info).endswith(f"{drawn['second']} of {LONG} in mock")


def test_steps_of_a_batch_in_hand_say_where_they_were_made(
    longer: Callable[..., Path], tmp_path: Path, move: Move
) -> None:
    """A failure leaves them, and another machine goes on."""
    out = tmp_path / "r" / "x"
    move("first")
    with run_without_report(longer(", fails_after: 3"), out) as results:
        assert None not in [entry["id"] for entry in results.info["environments"]]
    with Store(tmp_path / "r" / "store", write=False) as store:
        begun = {key: (row["origin"], len(row["steps"])) for key, row in store.trajectories.all()}
    assert all(origin is not None for origin, _ in begun.values())
    move("second")
    run_without_report(longer(), out).close()
    with Store(tmp_path / "r" / "store", write=False) as store:
        made = dict(store.trajectories.all())
    continued = {key: row for key, row in made.items() if len(row["steps"]) > begun[key][1]}
    assert continued
    for key, row in continued.items():
        assert [(stretch.end, stretch.origin) for stretch in row["earlier"]] == [(begun[key][1], begun[key][0])]
        assert "second" in row["origin"].environment
    for key in made.keys() - continued.keys():
        assert (made[key]["earlier"], made[key]["origin"]) == ((), begun[key][0])


def test_of_a_continued_trajectory_a_store_of_before_knows_the_last_machine(
    longer: Callable[..., Path], tmp_path: Path, move: Move
) -> None:
    drawn_on_three_machines(longer(), tmp_path / "r" / "x", move)
    path = tmp_path / "r" / "store"
    with Store(path, write=False) as store:
        before = dict(store.trajectories.all())
    with closing(sqlite3.connect(path / "store.sqlite")) as database, database:
        database.executescript("ALTER TABLE trajectories DROP COLUMN earlier; PRAGMA user_version = 6;")
    for write in (False, True):
        with Store(path, write=write) as store:
            rows = dict(store.trajectories.all())
        assert any(row["earlier"] for row in rows.values())
        for key, row in rows.items():
            marks = [number for number, step in enumerate(row["steps"]) if step.get("continued")]
            assert row["earlier"] == ((Stretch(marks[-1], None),) if marks else ())
            assert [row[name] for name in ("steps", "origin")] == [before[key][name] for name in ("steps", "origin")]


ORIGINS = [None, *(Origin(name, made) for name in ("a", "b") for made in (1, 2))]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(ORIGINS)), min_size=1, max_size=5))
def test_stretches_are_runs_of_one_environment(goes: list[tuple[int, Origin | None]]) -> None:
    """Each go adds some steps; steps that were made one after the other in one environment are one stretch."""
    stretches: tuple[Stretch, ...] = ()
    made: list[str | None] = []
    for count, origin in goes:
        made += [origin and origin.environment] * count
        stretches = (*stretches_before(stretches, origin), Stretch(len(made), origin))
    ends = [stretch.end for stretch in stretches]
    assert ends == sorted(set(ends)) and ends[-1] == len(made)
    named = [stretch.origin and stretch.origin.environment for stretch in stretches]
    assert [named[bisect_left(ends, number)] for number in range(1, len(made) + 1)] == made
    assert not any(one == other is not None for one, other in pairwise(named))


@pytest.mark.parametrize("result", RESULTS, ids=["trajectory", "score"])
def test_the_origin_of_a_result_crosses_processes(result: Trajectory | Score) -> None:
    assert wire.unpack_outcome(wire.pack_outcome(result)).origin == result.origin


def test_a_child_process_says_where_it_is(sweep_file: Callable[[str], Path], tmp_path: Path) -> None:
    with run_without_report(sweep_file(SWEEP + "executor: {name: local}\n"), tmp_path / "r" / "x") as results:
        (entry,) = results.info["environments"]
        assert entry["host"] == socket.gethostname()
        assert "torch" in entry["versions"]
        assert "evalharness" in entry["plugins"]


def test_a_merge_keeps_where_results_were_made(longer: Callable[..., Path], tmp_path: Path, move: Move) -> None:
    drawn_on_three_machines(longer(), tmp_path / "r" / "x", move)
    merge_stores([tmp_path / "r" / "store"], tmp_path / "other")
    with Store(tmp_path / "r" / "store", write=False) as one, Store(tmp_path / "other", write=False) as other:
        assert dict(one.trajectories.all()) == dict(other.trajectories.all())
        origins = [[score.origin for *_, score in store.scores.all()] for store in (one, other)]
        assert origins[0] == origins[1] != []
        assert one.environments.all() == other.environments.all() != {}


def test_a_difference_of_drawing_and_scoring_is_said_once() -> None:
    entries = [
        {
            "id": host,
            "host": host,
            "git_commit": host,
            "drawn": {"mock": {arm: 8}},
            "begun": {},
            "scored": {"mock": {arm: 8}},
        }
        for host, arm in (("first", "a"), ("second", "b"))
    ]
    assert table_warnings({"environments": entries}, "mock") == [
        "arms that are compared were drawn and scored in different environments: commit first (a) and second (b)."
    ]
