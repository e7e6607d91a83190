"""The SQLite database of a store: schema, connection, errors.

A store has one writer at a time. Every commit is synced; readers see the last commit beside a writer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from filelock import FileLock

from evalharness._util.chunking import chunks
from evalharness._util.file_lock import LockedError, lock_file
from evalharness._util.text import one_line
from evalharness.errors import StoreError
from evalharness.store.schema import SCHEMA, SCHEMA_VERSION, UPGRADES, VIEWS

T = TypeVar("T")
FILE = "store.sqlite"
"""The file that makes a folder a store."""
APPLICATION_ID = 0x45564831  # "EVH1"
MAX_CHECKED = 64_000_000
"""Bytes up to which a database is checked as a whole when it is opened, which takes a tenth of a second."""
MAX_MESSAGE = 300
"""Characters of a message of the database, which may quote a row."""
DISK_FULL = "no space left on the disk; what is done is kept, free some and run again"


class Database:
    """The connection of a store, used by one thread at a time.

    Args:
        path: the folder of the store, which exists if ``write``.
        write: hold the lock of the store's one writer and create what is missing. Otherwise only read; a store that
            does not exist is read as an empty one.
        max_checked: bytes up to which the database is checked as a whole.

    Raises:
        StoreError: another process writes, the database is damaged or of another version, or the disk is full.
    """

    def __init__(self, path: Path, write: bool, max_checked: int = MAX_CHECKED) -> None:
        self.path = path
        self.lock = threading.Condition()
        """Held by the thread that uses the connection."""
        self._file_lock: FileLock | None = None
        self._in_transaction = False
        self.ended = 0
        """How many transactions have ended, with or without success."""
        with as_store_error(path):
            if write:
                self._file_lock = _lock(path)
            try:
                self.connection = _connect(path / FILE, write, max_checked)
            except BaseException:
                self._release()
                raise

    @property
    def writable(self) -> bool:
        return self._file_lock is not None

    @property
    def version(self) -> int:
        """The version of the schema on the disk; one that is only read may be an earlier one."""
        with self.guarded() as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])

    @property
    def empty(self) -> bool:
        """Whether no table has a row."""
        with self.guarded() as connection:
            tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
            return not any(connection.execute(f"SELECT 1 FROM main.{name} LIMIT 1").fetchone() for (name,) in tables)

    def discard(self) -> None:
        """Close, and remove the store's folder before another process can take its lock."""
        with self.lock, contextlib.suppress(sqlite3.Error):
            self.connection.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._release()

    def close(self) -> None:
        with self.lock, contextlib.suppress(sqlite3.Error):
            self.connection.close()
        self._release()

    def _release(self) -> None:
        if self._file_lock is not None:
            self._file_lock.release()
            self._file_lock = None

    @contextlib.contextmanager
    def guarded(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to this thread alone; what goes wrong becomes a :class:`StoreError`."""
        with self.lock, as_store_error(self.path):
            yield self.connection

    @contextlib.contextmanager
    def batch(self) -> Iterator[sqlite3.Connection]:
        """Do the same as :meth:`guarded`, with one commit at the end, which includes what was added before an error.

        Inside a :meth:`transaction`, that decides in place of this.
        """
        with self.guarded() as connection:
            try:
                yield connection
            finally:
                if not self._in_transaction:
                    self.ended += 1
                    connection.commit()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all batches of the block together when it succeeds, and none of them when it does not."""
        with self.guarded() as connection:
            self._in_transaction = True
            try:
                yield connection
                connection.commit()
            finally:
                self._in_transaction = False
                self.ended += 1
                connection.rollback()

    def select(self, query: str, keys: Iterable[str], *, column: str = "key", order: str = "") -> Iterator[sqlite3.Row]:
        """Rows of ``query`` whose ``column`` is one of ``keys``. They are read in chunks, keys given twice only once.

        ``order`` sorts within a chunk.
        """
        for chunk in chunks(dict.fromkeys(keys)):
            marks = ",".join("?" * len(chunk))
            with self.guarded() as connection:
                rows = connection.execute(f"{query} WHERE {column} IN ({marks}) {order}", chunk).fetchall()
            yield from rows

    def select_tuples(self, query: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Select rows of distinct keys without column names, for millions of rows. Sorted keys are the fastest."""
        for chunk in chunks(keys):
            with self.guarded() as connection:
                cursor = connection.cursor()
                cursor.row_factory = None
                rows = cursor.execute(f"{query} WHERE key IN ({','.join('?' * len(chunk))})", chunk).fetchall()
            yield from rows

    def scan(self, query: str, parse: Callable[[sqlite3.Row], T]) -> Iterator[T]:
        """Parse all rows of a query, read as they are wanted. The lock is not held in between."""
        with as_store_error(self.path):
            yield from map(parse, self.connection.execute(query))


def storable(text: str) -> str:
    """Replace lone surrogates, which a model's text can contain and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _lock(path: Path) -> FileLock:
    try:
        return lock_file(path / "lock")
    except LockedError as error:
        message = f"{path} is being written by another process (pid {error.pid}); wait, or use another --store"
        raise StoreError(message) from None


def _require_no_loss(path: Path) -> None:
    """Check that a database without any table is a new one: it must not stand for one that was lost.

    Raises:
        StoreError: There are images, which no store has before its tables.
    """
    if next((path.parent / "images").glob("*/*.png"), None) is not None:
        state = "empty" if path.exists() else "gone"
        raise StoreError(
            f"{path} is {state}, but there are images beside it: the database was lost; put it back from a copy, or "
            "use another --store"
        )


def _connect(path: Path, write: bool, max_checked: int) -> sqlite3.Connection:
    if not path.is_file() or not path.stat().st_size:
        _require_no_loss(path)
    if write:
        db = sqlite3.connect(path, check_same_thread=False)
    elif path.is_file() and path.stat().st_size:
        # To read, SQLite creates a write-ahead log if there is none. In a read-only folder it cannot, and need not,
        # because nobody else can write there.
        immutable = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        options = "mode=ro&immutable=1" if immutable else "mode=ro"
        db = sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?{options}", uri=True, check_same_thread=False)
    else:
        db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    try:
        _prepare(db, path, write, max_checked)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, write: bool, max_checked: int) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if empty:
        _require_no_loss(path)
        db.executescript(
            f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    elif owner != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program; use another --store")
    elif version not in (SCHEMA_VERSION, *UPGRADES):
        raise StoreError(f"{path} has schema {version}, this evalharness reads {SCHEMA_VERSION}; use another --store")
    _check(db, max_checked)
    db.execute("PRAGMA trusted_schema = OFF")  # a store may come from elsewhere
    if write:
        for old in range(SCHEMA_VERSION if empty else version, SCHEMA_VERSION):
            db.executescript(f"BEGIN; {UPGRADES[old]} PRAGMA user_version = {old + 1}; COMMIT;")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    elif not empty:
        db.executescript("".join(views for versions, views in VIEWS.items() if version in versions))


def _check(db: sqlite3.Connection, max_checked: int) -> None:
    """Check that a small database is whole. Of a large one only the ends of each table are read.

    Damage elsewhere is noticed when it is read.
    """
    size = db.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").fetchone()[0]
    if size <= max_checked:
        if (problem := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(" ".join(problem.split()))
        return
    for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        for order in ("ASC", "DESC"):
            db.execute(f"SELECT * FROM main.{table} ORDER BY 1 {order} LIMIT 1").fetchall()


@contextlib.contextmanager
def as_store_error(path: Path) -> Iterator[None]:
    """Turn errors of the database and the disk into a :class:`StoreError` that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "full" in str(error):
            raise StoreError(f"{path}: {DISK_FULL}") from error
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"{path / FILE}: {error}") from error
        message = (
            f"{path / FILE} is damaged ({one_line(str(error), MAX_MESSAGE)}); move it away, or use another --store"
        )
        raise StoreError(message) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"{path}: {DISK_FULL}") from error
        raise StoreError(f"{error.filename or path}: {error.strerror or error}; use another --store") from error
