"""The store of a run's results: rows in SQLite, images as files named by their SHA-256. One process writes at a time.

store/
    store.sqlite      rows; write-ahead log, every commit is synced
    lock              held by the writer, contains its pid
    images/ab/….png   an image is complete on the disk before a row mentions it
    failures/ab/….txt the traceback of a failure
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness._util.files import TEMPORARY
from evalharness.store.database import Database, as_store_error
from evalharness.store.environments import StoredEnvironments
from evalharness.store.failures import StoredFailures
from evalharness.store.features import StoredFeatures
from evalharness.store.images import StoredImages
from evalharness.store.replies import StoredReplies
from evalharness.store.rows import parse_mapping
from evalharness.store.scores import StoredScores
from evalharness.store.trajectories import StoredTrajectories


class Store:
    """A folder of results. Use as a context manager.

    Args:
        path: the folder.
        write: whether to write. Otherwise it only reads, beside a writer if there is one.

    Raises:
        StoreError: another process writes, the database is damaged or of another version, or the disk is full.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        if write:
            with as_store_error(path):
                (path / "images").mkdir(parents=True, exist_ok=True)
        self.database = Database(path, write)
        if write:  # nobody else writes here now, so these are of processes that were killed
            with contextlib.suppress(OSError):
                for temporary in temporary_files(path):
                    temporary.unlink(missing_ok=True)
        self.images = StoredImages(self.database)
        self.environments = StoredEnvironments(self.database)
        self.trajectories = StoredTrajectories(self.database, self.images, self.environments)
        self.scores = StoredScores(self.database, self.environments)
        self.failures = StoredFailures(self.database)
        self.replies = StoredReplies(self.database)
        self.features = StoredFeatures(self.database)
        self.runs = StoredRuns(self.database)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    @property
    def lock(self) -> threading.Condition:
        """The lock of the thread that uses the store."""
        return self.database.lock

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Commit several additions at once. An addition is complete or absent: those before an error are kept."""
        with self.database.batch():
            yield


def temporary_files(path: Path) -> Iterator[Path]:
    """The files of a store that are being written, or were when their process was killed."""
    for folder in ("images", "failures"):
        for file in (path / folder).glob("*/.*"):
            if TEMPORARY.fullmatch(file.name) and file.is_file():
                yield file


class StoredRuns:
    """The table ``runs``: facts about each run beside its samples, as JSON."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> dict[str, Any]:
        """Return what was put under this name; empty if nothing was."""
        with self._database.guarded():
            for row in self._database.select("SELECT info FROM runs", [name], column="name"):
                return parse_mapping(row["info"])
        return {}

    def all(self) -> dict[str, dict[str, Any]]:
        with self._database.guarded() as connection:
            rows = connection.execute("SELECT name, info FROM runs ORDER BY name")
            return {row["name"]: parse_mapping(row["info"]) for row in rows}

    def put(self, name: str, info: Mapping[str, Any]) -> None:
        """Store facts under a name, in place of what was there."""
        with self._database.batch() as connection:
            connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (name, json.dumps(dict(info))))
