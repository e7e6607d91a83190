"""Points at which a process kills itself: before and after each thing that writes, in the main thread or for it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalharness._util.files import SYNC_THREAD_NAME

WRITES = ("execute", "executemany", "executescript", "commit")


class Points:
    """``fail_at`` is the number of the point to die at, from 1; 0 never. ``passed`` names those that were come by."""

    def __init__(self, fail_at: int = 0) -> None:
        self.fail_at = fail_at
        self.passed: list[str] = []
        self._lock = threading.Lock()

    def at(self, name: str) -> None:
        thread = threading.current_thread()
        if thread is not threading.main_thread() and not thread.name.startswith(SYNC_THREAD_NAME):
            return
        with self._lock:
            self.passed.append(name)
            if len(self.passed) == self.fail_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            result = call(*args, **kwargs)
            self.at(f"after {name}")
            return result

        return wrapped

    def install(self) -> None:
        """In this process, for good: it is meant for a fork."""
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "mkdir"), (Path, "unlink"), (shutil, "rmtree")):
            setattr(owner, name, self.around(name, getattr(owner, name)))
        connect, points = sqlite3.connect, self

        class Connection(sqlite3.Connection):
            """Says when it writes."""

        def writes(method: str) -> Callable[..., Any]:
            original = getattr(sqlite3.Connection, method)

            def call(own: sqlite3.Connection, *args: Any) -> Any:
                if args and str(args[0]).lstrip().upper().startswith("SELECT"):
                    return original(own, *args)
                return points.around(method, original)(own, *args)

            return call

        for method in WRITES:
            setattr(Connection, method, writes(method))

        def connected(*args: Any, **kwargs: Any) -> Any:
            return connect(*args, factory=Connection, **kwargs)

        sqlite3.connect = connected  # type: ignore[assignment]
