"""Files and folders that appear complete or not at all: written beside their name, then renamed."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evalharness._util.staging import workspace

TEMPORARY = re.compile(r"\..+\.[0-9]+")
"""Names of files that are being written: the name that they will have, and the process that writes them."""
ABANDONED = 3600.0
"""Seconds after which a temporary file of no running process is removed: its process may be on another machine."""
SYNC_THREADS = 8
"""Number of files that are synced to the disk at the same time."""
SYNC_THREAD_NAME = "sync"
"""Prefix of the names of the threads that sync."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to.

    It replaces ``path`` when the block succeeds and is removed when the block fails. Missing parents are created.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        yield temporary
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 file that appears complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` at which the block creates a folder.

    The folder replaces ``path`` when the block succeeds and is removed when the block fails.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with workspace(path) as folder:
        yield folder / path.name
        if path.exists():
            path.rename(folder / f"{path.name}.old")
        (folder / path.name).rename(path)


def write_durably(files: Mapping[Path, bytes]) -> None:
    """Write files that appear complete or not at all and survive a power cut.

    No file gets its name before all are on the disk. Files are synced in parallel, because a sync is mostly waiting and
    a file system handles concurrent ones together.
    """
    temporaries = {path: _temporary(path) for path in files}
    folders = {path.parent for path in files}
    new_parents = {folder.parent for folder in folders if not folder.is_dir()}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporaries[path].write_bytes(data)
        _sync(temporaries.values())
        for path, temporary in temporaries.items():
            temporary.replace(path)
    except BaseException:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        raise
    _sync(folders | new_parents)


def _remove_abandoned(path: Path) -> None:
    """Remove temporary files of ``path`` whose processes were killed, here and long ago."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*"):
        process = temporary.name.rpartition(".")[2]
        if TEMPORARY.fullmatch(temporary.name) and process.isascii() and len(process) < 10:
            with contextlib.suppress(OSError):
                if time.time() - temporary.stat().st_mtime > ABANDONED and not _is_running(int(process)):
                    temporary.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _sync(paths: Collection[Path]) -> None:
    if len(paths) < 2:
        for path in paths:
            _sync_path(path)
        return
    with ThreadPoolExecutor(min(SYNC_THREADS, len(paths)), thread_name_prefix=SYNC_THREAD_NAME) as pool:
        list(pool.map(_sync_path, paths))


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
