"""How long scores took: kept with them, merged, unknown in stores of before."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from evalharness.store.merge import merge_stores
from evalharness.store.schema import SCHEMA_VERSION
from evalharness.store.store import Store
from evalharness.types.score import Score, ScoringTime

DETECTOR, JUDGE = "d" * 64, "e" * 64


def timed(folder: Path) -> Path:
    with Store(folder) as store, store.batch():
        for number in range(4):
            store.scores.add(f"d{number}", "image", Score(1.0, time=ScoringTime(DETECTOR, number)))
        store.scores.add("j", "image", Score(0.0, time=ScoringTime(JUDGE, 9.0)))
        store.scores.add("unknown", "image", Score(0.0))
    return folder


def means(folder: Path, *, write: bool = False) -> list[tuple[int, float]]:
    with Store(folder, write=write) as store:
        return [store.scores.mean_seconds(scorer) for scorer in (DETECTOR, JUDGE, "f" * 64)]


def test_the_mean_is_that_of_one_scorer(tmp_path: Path) -> None:
    assert means(timed(tmp_path)) == [(4, 1.5), (1, 9.0), (0, 0.0)]


def test_a_merge_keeps_times(tmp_path: Path) -> None:
    merge_stores([timed(tmp_path / "source")], tmp_path / "into")
    assert means(tmp_path / "into") == means(tmp_path / "source")


@pytest.mark.parametrize("write", [False, True])
def test_scores_of_the_fifth_schema_have_no_times(tmp_path: Path, write: bool) -> None:
    with Store(timed(tmp_path), write=False) as store:
        scores = list(store.scores.all())
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        for column in ("scorer", "seconds"):
            db.execute(f"ALTER TABLE scores DROP COLUMN {column}")
        db.execute("ALTER TABLE trajectories DROP COLUMN earlier")  # of the seventh
        db.execute("PRAGMA user_version = 5")
        db.commit()
    assert means(tmp_path, write=write) == [(0, 0.0)] * 3
    with Store(tmp_path, write=write) as store:
        assert list(store.scores.all()) == scores
        assert store.database.version == (SCHEMA_VERSION if write else 5)
