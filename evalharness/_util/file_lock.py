"""Locks between processes."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout


class LockedError(Exception):
    """Another process holds the lock. ``pid`` is its process id, ``unknown`` if the lock file does not say."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"locked by process {pid}")
        self.pid = pid


def lock_file(path: Path) -> FileLock:
    """Take a lock without waiting; release it with ``.release()``.

    The kernel releases it when the process ends, however it ends. The lock file holds the pid of its holder.

    Raises:
        LockedError: another process holds it.
        OSError: the lock file cannot be written.
    """
    lock = FileLock(path, timeout=0, thread_local=False, on_acquired=_write_pid)
    try:
        lock.acquire()
    except Timeout:
        raise LockedError(_read_pid(path)) from None
    return lock


def _write_pid(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _read_pid(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(20).strip() or "unknown"
