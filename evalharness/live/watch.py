"""Looks at a run again and again, as often as somebody asks, but not more often than its store can bear."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from pathlib import Path
from typing import Any

from evalharness._util.finite_json import finite_json
from evalharness._util.regular_files import read_regular
from evalharness.errors import EvalHarnessError
from evalharness.execution import heartbeat
from evalharness.execution.current_run import CurrentRun, current_run
from evalharness.live.snapshot import contents, progress
from evalharness.planning.plan_record import NAME
from evalharness.planning.subsets import Size
from evalharness.report.publish import INDEX, MANIFEST
from evalharness.store.database import FILE
from evalharness.store.find_run import ALL
from evalharness.store.images import DIGEST
from evalharness.store.report_folders import PLAN
from evalharness.store.store import Store

PAUSE = 1.0
"""Seconds between two looks, at least."""
PATIENCE = 5
"""A look that takes long is repeated after this many times as long."""
REMEMBERED = 2000
"""Images of earlier looks that are still given out, at most."""
SAFE_NAME = re.compile(r"[\w()+,=@-][\w ()+,.=@-]*(/[\w()+,=@-][\w ()+,.=@-]*)*", re.ASCII)
"""Names of a report's files; no part of them begins with a dot."""
Signature = tuple[tuple[int, int] | None, ...]


class RunWatch:
    """A run that is only read. Methods may be called from several threads.

    Raises:
        ConfigError: There is no such run.
    """

    def __init__(self, run: str, store: Path | None = None, size: Size = ALL) -> None:
        self._asked = run, store, size
        self._lock = threading.Lock()
        self._run = current_run(run, store, size)
        self._plan_signature = self._plan_files()
        self._store_signature: Signature | None = None
        self._contents: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self._next = 0.0
        self._images: dict[str, Path] = {}

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self._run.plan.sweep.name

    @property
    def folder(self) -> Path:
        """The folder of the run's report."""
        return self._run.folder

    def state(self) -> dict[str, Any]:
        """What the page shows; a problem with the files is told in it, beside what was known before."""
        with self._lock:
            if time.monotonic() >= self._next:
                began = time.monotonic()
                self._state = self._look()
                self._next = time.monotonic() + max(PAUSE, PATIENCE * (time.monotonic() - began))
            return self._state

    def image(self, digest: str) -> bytes | None:
        """An image that the page shows; ``None`` for any other, and for one that is damaged."""
        with self._lock:
            path = self._images.get(digest)
        try:
            data = b"" if path is None else read_regular(path)
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def report_file(self, name: str) -> bytes | None:
        """A file of the report, by its name in it; ``None`` for what no report wrote there, or lies elsewhere."""
        if not SAFE_NAME.fullmatch(name):
            return None
        folder = self.folder
        try:
            written = finite_json(read_regular(folder / MANIFEST))
            if not isinstance(written, list) or name not in written:
                return None
            if not (folder / name).resolve(strict=True).is_relative_to(folder.resolve()):
                return None
            return read_regular(folder / name)
        except (OSError, ValueError):
            return None

    def _look(self) -> dict[str, Any]:
        problem = ""
        try:
            self._follow()
            self._read_store()
        except EvalHarnessError as error:  # of a store that is just being made, or was taken away
            problem = str(error)
        return {**progress(self._run), **self._contents, "report": self._has_report(), "problem": problem}

    def _follow(self) -> None:
        """Read the status, and the plan if another run has begun since."""
        status, files = heartbeat.read(self.folder), self._plan_files()
        if files != self._plan_signature:
            self._run = current_run(*self._asked)
            self._plan_signature, self._store_signature = files, None
        else:
            self._run = CurrentRun(self.folder, status, self._run.plan, self._run.store)

    def _read_store(self) -> None:
        store = self._run.store
        signature = _signature(store / FILE, store / f"{FILE}-wal")
        if signature == self._store_signature:
            return
        with Store(store, write=False) as opened:
            self._contents = contents(self._run, opened)
            shown = [picture["image"] for picture in self._contents["pictures"]]
            self._images |= {digest: opened.images.path(digest) for digest in shown if DIGEST.fullmatch(digest)}
        self._store_signature = signature
        for digest in list(self._images)[:-REMEMBERED]:
            del self._images[digest]

    def _plan_files(self) -> Signature:
        return _signature(self.folder / NAME, self.folder / PLAN)

    def _has_report(self) -> bool:
        """Whether the report is that of the run that has ended, not one from before."""
        if self._run.status is not None and self._run.status.running:
            return False
        report, status = _signature(self.folder / INDEX, self.folder / heartbeat.NAME)
        return report is not None and (status is None or report[0] >= status[0])


def _signature(*paths: Path) -> Signature:
    """Time and size of each file; ``None`` for one that is not there."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append(None)
    return tuple(found)
