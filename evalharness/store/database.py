"""The lock and the SQLite database of a store."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

from evalharness._util.file_lock import LockedError, lock_file
from evalharness.errors import StoreError

APPLICATION_ID = 0x45564831  # "EVH1"
SCHEMA_VERSION = 3
DISK_FULL = "no space left on the disk; what is done is kept, free some and run again"
SCHEMA = """
CREATE TABLE trajectories (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, variant TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    cap INTEGER, finished INTEGER NOT NULL, steps TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE scores (
    key TEXT PRIMARY KEY, image TEXT NOT NULL, value REAL NOT NULL, reason TEXT NOT NULL, details TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE failures (key TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE images (digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (name TEXT PRIMARY KEY, info TEXT NOT NULL) WITHOUT ROWID;
"""
REPLIES = """
CREATE TABLE replies (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, question TEXT NOT NULL, judge TEXT NOT NULL, image TEXT NOT NULL,
    rubric TEXT NOT NULL, repeat INTEGER NOT NULL, reply TEXT NOT NULL, PRIMARY KEY (key, attempt)) WITHOUT ROWID;
"""
UPGRADES = {1: "", 2: f"DROP TABLE IF EXISTS replies; {REPLIES}"}
"""Version → what makes the next one of it. Nothing that was released wrote replies in version 2."""


def lock_store(path: Path) -> FileLock:
    """Hold the lock of a store's one writer; the kernel releases it when the process ends, however it ends."""
    try:
        return lock_file(path / "lock")
    except LockedError as error:
        message = f"{path} is being written by another process (pid {error.pid}); wait, or use another --store"
        raise StoreError(message) from None


def connect(path: Path, write: bool) -> sqlite3.Connection:
    if write:
        db = sqlite3.connect(path, check_same_thread=False)
    elif path.is_file() and path.stat().st_size:
        # SQLite reads a write-ahead log beside its file, for which it must make one, unless nobody can have written it.
        alone = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        options = "mode=ro&immutable=1" if alone else "mode=ro"
        db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{options}", uri=True, check_same_thread=False)
    else:
        db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    try:
        _prepare(db, path, write)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, write: bool) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if empty:
        db.executescript(
            f"BEGIN; {SCHEMA} {REPLIES} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    elif owner != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program; use another --store")
    elif version not in (SCHEMA_VERSION, *UPGRADES):
        raise StoreError(f"{path} has schema {version}, this evalharness reads {SCHEMA_VERSION}; use another --store")
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))
    if write:
        for old in range(SCHEMA_VERSION if empty else version, SCHEMA_VERSION):
            db.executescript(f"BEGIN; {UPGRADES[old]} PRAGMA user_version = {old + 1}; COMMIT;")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")


@contextlib.contextmanager
def as_store_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "full" in str(error):
            raise StoreError(f"{path}: {DISK_FULL}") from error
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"{path / 'store.sqlite'}: {error}") from error
        message = f"{path / 'store.sqlite'} is damaged ({error}); move it away, or use another --store"
        raise StoreError(message) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"{path}: {DISK_FULL}") from error
        raise StoreError(f"{error.filename or path}: {error.strerror or error}; use another --store") from error
