"""The failures of a store: why trajectories and scores are missing, and whose fault that was."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evalharness._util.files import write_text_atomically
from evalharness._util.text import one_line
from evalharness.api.failure import Failure
from evalharness.errors import FailureKind
from evalharness.store.database import Database, as_store_error, storable
from evalharness.store.rows import checked

COLUMNS = "key, reason, kind, exception, attempt, worker, host, device, cap, traceback"
TRACEBACK = re.compile(r"failures/[\w-]{1,2}/[\w-]+\.txt")


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """A row of the table ``failures``.

    Attributes:
        reason: One line.
        kind: Whose fault it was.
        exception: Name of the exception's class.
        attempt: How often the trajectory or score was tried, in all runs.
        worker: The process of the last attempt.
        host: Its machine.
        device: Its device.
        cap: The iteration cap that the trajectory was drawn with. Arms with a smaller one have not failed.
        traceback: The file with the traceback, relative to the store; empty without one.
    """

    reason: str
    kind: FailureKind = "sample"
    exception: str = ""
    attempt: int = 1
    worker: str = ""
    host: str = ""
    device: str = ""
    cap: int | None = None
    traceback: str = ""

    def concerns(self, cap: int | None) -> bool:
        """Whether an arm with this cap has failed, too."""
        return self.cap is None or cap is None or cap >= self.cap


def causes(failures: Iterable[StoredFailure], limit: int = 5) -> list[str]:
    """A line for each of the most frequent causes: count, kind, reason and, where a device is at fault, its name."""
    counts = Counter((failure.kind, failure.exception, _cause(failure)) for failure in failures)
    frequent = counts.most_common(limit)
    lines = [f"{count} × {kind}: {text}" for (kind, _, text), count in frequent]
    rest = counts.total() - sum(count for _, count in frequent)
    return [*lines, f"{rest} × other causes"] if rest else lines


def _cause(failure: StoredFailure) -> str:
    text = one_line(failure.reason, 160)
    place = " ".join(filter(None, (failure.host, failure.device)))
    return f"{text} ({place})" if failure.kind == "worker" and place else text


def forget(database: Database, key: str, cap: int | None = None) -> None:
    """Remove the failure of a key, and its traceback, unless it was with a larger cap. Inside a batch."""
    concerned = "key = ? AND (? IS NULL OR cap IS NULL OR cap <= ?)"
    with database.guarded() as connection:
        rows = connection.execute(f"SELECT traceback FROM failures WHERE {concerned}", (key, cap, cap)).fetchall()
        if rows:
            connection.execute(f"DELETE FROM failures WHERE {concerned}", (key, cap, cap))
    for row in rows:
        if (path := traceback_file(database.path, row["traceback"])) is not None:
            with as_store_error(database.path):
                path.unlink(missing_ok=True)


def traceback_file(store: Path, name: object) -> Path | None:
    """The file that a failure names; ``None`` without one, or for a name that no store writes.

    A store may come from elsewhere, so its rows must not name files outside it.
    """
    return store / name if isinstance(name, str) and TRACEBACK.fullmatch(name) else None


class StoredFailures:
    """The table ``failures``, by the key of a trajectory or of a score, and the files with tracebacks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, keys: Iterable[str]) -> dict[str, StoredFailure]:
        """Return those among ``keys`` that failed."""
        with as_store_error(self._database.path):
            return dict(map(_parse, self._database.select(f"SELECT {COLUMNS} FROM failures", keys)))

    def all(self) -> Iterator[tuple[str, StoredFailure]]:
        """Give every key with its failure."""
        return self._database.scan(f"SELECT {COLUMNS} FROM failures ORDER BY key", _parse)

    def to_retry(self, *, all_kinds: bool = False) -> set[str]:
        """Return the keys that a run tries again: of failures that were no sample's fault, or of all."""
        condition = "" if all_kinds else " WHERE kind != 'sample'"
        return set(self._database.scan(f"SELECT key FROM failures{condition}", lambda row: str(row["key"])))

    def add(self, key: str, failure: Failure, cap: int | None = None) -> None:
        """Add a failure, which stays until a trajectory or score of that key is added. Inside a batch.

        Attempts are added up. The file with the traceback is complete before the row mentions it.
        """
        path = ""
        if failure.traceback:
            path = self._write_traceback(key, failure.traceback)
        row = StoredFailure(
            reason=storable(failure.reason),
            kind=failure.kind,
            exception=failure.exception,
            attempt=failure.attempt + sum(earlier.attempt for earlier in self.get([key]).values()),
            worker=failure.worker,
            host=failure.host,
            device=failure.device,
            cap=cap,
            traceback=path,
        )
        self.put(key, row)

    def put(self, key: str, row: StoredFailure) -> None:
        """Write a row in place of the one of that key. Inside a batch."""
        values = [key, *(getattr(row, name) for name in COLUMNS.split(", ")[1:])]
        with self._database.guarded() as connection:
            connection.execute(f"INSERT OR REPLACE INTO failures ({COLUMNS}) VALUES (?{', ?' * 9})", values)

    def relabel(self, keys: Iterable[str], kind: FailureKind) -> None:
        """Change the kind of failures. Inside a batch."""
        with self._database.guarded() as connection:
            connection.executemany("UPDATE failures SET kind = ? WHERE key = ?", [(kind, key) for key in keys])

    def traceback(self, row: StoredFailure) -> str:
        """Read a failure's traceback; empty without one."""
        path = traceback_file(self._database.path, row.traceback)
        try:
            return "" if path is None else path.read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            return ""

    def _write_traceback(self, key: str, text: str) -> str:
        relative = Path("failures") / key[:2] / f"{key}.txt"
        path = self._database.path / relative
        with as_store_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(path, storable(text))
        return relative.as_posix()


def _parse(row: sqlite3.Row) -> tuple[str, StoredFailure]:
    values = dict(zip(COLUMNS.split(", "), tuple(row), strict=True))
    return str(values.pop("key")), checked(StoredFailure, values, "a failure")
