"""Failures of stores that earlier versions wrote."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from old_store import write_old_store

from evalharness.api.failure import Failure
from evalharness.store.failures import StoredFailure
from evalharness.store.store import Store
from evalharness.types.score import Score
from evalharness.types.trajectory import Step, Trajectory

REASONS = {
    "a": ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "worker"),
    "b": ("3 workers died at it, the last: the worker process was killed by SIGKILL", "worker"),
    "c": ("ValueError: no such colour", "sample"),
}


def test_a_traceback_goes_when_its_sample_succeeds(tmp_path: Path) -> None:
    with Store(tmp_path) as store, store.batch():
        for key in ("t", "s"):
            store.failures.add(key, Failure("r", traceback="Traceback\n"), cap=3)
        files = [tmp_path / row.traceback for _, row in store.failures.all()]
        assert [file.exists() for file in files] == [True, True]
        shorter = Trajectory((Step("draw"),), finished=False)
        store.trajectories.add("t", shorter, model="m", variant="{}", prompt="p", seed=0, cap=2)
        assert [file.exists() for file in files] == [True, True], "the longer one still fails"
        store.trajectories.add("t", shorter, model="m", variant="{}", prompt="p", seed=0, cap=3)
        store.scores.add("s", "i", Score(1.0))
    assert [file.exists() for file in files] == [False, False]


@pytest.mark.parametrize(
    "name", ["../secret.txt", "failures/../secret.txt", "{outside}", "failures/ab/../../secret.txt"]
)
def test_a_store_from_elsewhere_names_no_files_outside_it(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    with Store(tmp_path / "store") as store, store.batch():
        named = StoredFailure("r", traceback=name.format(outside=outside))
        store.failures.put("s", named)
        assert store.failures.traceback(named) == ""
        store.scores.add("s", "i", Score(1.0))
    assert outside.read_text() == "secret"


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    """A store of schema 3, whose failures have only a reason."""
    write_old_store(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        db.execute("DELETE FROM failures")
        db.executemany("INSERT INTO failures VALUES (?, ?)", [(key, reason) for key, (reason, _) in REASONS.items()])
        db.commit()
    return tmp_path


@pytest.mark.parametrize("write", [False, True])
def test_an_old_store_is_read_and_upgraded(old_store: Path, write: bool) -> None:
    expected = {key: StoredFailure(reason, kind) for key, (reason, kind) in REASONS.items()}  # type: ignore[arg-type]
    for _ in range(2):
        with Store(old_store, write=write) as store:
            assert dict(store.failures.all()) == store.failures.get(REASONS) == expected
            assert store.failures.to_retry() == {"a", "b"}


def test_an_old_store_goes_on(old_store: Path) -> None:
    with Store(old_store) as store, store.batch():
        store.failures.add("c", Failure("again", traceback="Traceback\n", worker="pid 1"), cap=3)
    with Store(old_store, write=False) as store:
        row = store.failures.get(["c"])["c"]
        assert (row.reason, row.attempt, row.worker, row.cap) == ("again", 2, "pid 1", 3)
        assert store.failures.traceback(row) == "Traceback\n"
