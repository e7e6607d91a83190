"""What is noticed of a damaged database when it is opened: of a large one only the ends of its tables are read."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from evalharness.errors import StoreError
from evalharness.store.database import FILE, Database
from evalharness.store.store import Store
from evalharness.types.score import Score

ROWS = 400


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store whose scores take many pages, all in one file."""
    with Store(tmp_path) as store, store.batch():
        for number in range(ROWS):
            store.scores.add(f"{number:03d}", "image", Score(1.0, "why " * 50))
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
    return tmp_path


def overwrite(folder: Path, word: bytes) -> None:
    """Overwrite the page in which a word is found."""
    data = bytearray((folder / FILE).read_bytes())
    start = data.index(word) // 4096 * 4096
    data[start : start + 4096] = b"\xff" * 4096
    (folder / FILE).write_bytes(data)


def keys(folder: Path, max_checked: int) -> list[str]:
    database = Database(folder, write=False, max_checked=max_checked)
    with contextlib.closing(database), database.guarded() as connection:
        return [row["key"] for row in connection.execute("SELECT key, reason FROM scores ORDER BY key")]


@pytest.mark.parametrize("max_checked", [0, 10**9])
def test_a_whole_database_is_opened(filled: Path, max_checked: int) -> None:
    assert keys(filled, max_checked) == [f"{number:03d}" for number in range(ROWS)]


@pytest.mark.parametrize("max_checked", [0, 10**9])
@pytest.mark.parametrize("key", [b"000", b"399"])
def test_damaged_ends_are_noticed_at_once(filled: Path, max_checked: int, key: bytes) -> None:
    overwrite(filled, key + b"image")
    with pytest.raises(StoreError, match="is damaged"):
        Database(filled, write=False, max_checked=max_checked)


def test_damage_in_the_middle_of_a_large_database_is_noticed_when_it_is_read(filled: Path) -> None:
    overwrite(filled, b"200image")
    with pytest.raises(StoreError, match="is damaged"):
        Database(filled, write=False)
    Database(filled, write=False, max_checked=0).close()
    with pytest.raises(StoreError, match="is damaged"):
        keys(filled, 0)
