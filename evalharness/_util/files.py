"""Files and folders that appear complete or not at all: written beside their name, then renamed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[0-9]+")
"""Names of files that are being written: the name that they will have, and the process that writes them."""
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
    parent = path.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=parent))
    try:
        yield workspace / path.name
        if path.exists():
            path.rename(workspace / f"{path.name}.old")
        (workspace / path.name).rename(path)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


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
