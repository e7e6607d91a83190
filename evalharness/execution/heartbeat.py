"""The status file of a run: ``status.json`` in the folder of its report, which other processes can read.

It is rewritten every other second. It names the sweep and the process, and says how far each stage is and which jobs
and workers are busy. It is for people only: no run reads it to decide what to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from evalharness._util.files import write_text_atomically
from evalharness._util.finite_json import finite_json
from evalharness._util.progress import Stage
from evalharness._util.regular_files import read_regular
from evalharness._util.validation import converted
from evalharness.api.executor import WorkerState
from evalharness.errors import ConfigError

Snapshot = tuple[Mapping[str, Stage], list[str], list[WorkerState]]
"""Stages by title, keys of the jobs in hand, and workers."""
NAME = "status.json"
PERIOD = 2.0
"""Seconds between two writes."""
WINDOW = 150
"""Writes over which a stage's rate is measured: five minutes."""
STALE = 60.0
"""Age in seconds at which a file written by another machine is taken to be of a run that has died."""


RunState = Literal["running", "done", "stopped"]
Count = Annotated[int, Field(ge=0, lt=1 << 50)]
Seconds = Annotated[float, Field(ge=0, lt=1 << 37)]
"""Since 1970, up to what a calendar has."""


@dataclass(frozen=True)
class StageState:
    """How far a stage is; ``rate`` is in jobs a second."""

    done: Count
    failed: Count
    total: Count
    rate: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class RunStatus:
    """The contents of the file.

    Attributes:
        state: ``"running"``, ``"done"`` or ``"stopped"``.
        in_hand: Keys of the trajectories and scores that are being worked on.
    """

    sweep: Mapping[str, Any]
    store: str
    host: str
    pid: Annotated[int, Field(gt=0, lt=1 << 31)]
    started: Seconds
    updated: Seconds
    state: RunState
    stages: Mapping[str, StageState] = field(default_factory=dict)
    in_hand: tuple[str, ...] = ()
    workers: tuple[WorkerState, ...] = ()

    @property
    def running(self) -> bool:
        """Whether the process is alive, as far as this machine can tell."""
        if self.state != "running":
            return False
        if self.host != socket.gethostname():
            return time.time() - self.updated < STALE
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class Heartbeat:
    """Writes the file while a run goes on, from a thread."""

    def __init__(self, out: Path, sweep: Mapping[str, Any], store: Path) -> None:
        self.path = out / NAME
        self._initial = RunStatus(sweep, str(store), socket.gethostname(), os.getpid(), time.time(), 0.0, "running")
        self._counts: dict[str, deque[tuple[float, int]]] = {}
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watching(self, take_snapshot: Callable[[], Snapshot]) -> Iterator[None]:
        """Write the file until the block ends.

        Args:
            take_snapshot: Returns stages, keys in hand and workers; called from another thread.
        """
        thread = threading.Thread(target=self._watch, args=(take_snapshot,), name="status", daemon=True)
        self._write(take_snapshot(), "running")
        thread.start()
        state: RunState = "stopped"
        try:
            yield
            state = "done"
        finally:
            self._ended.set()
            thread.join()
            self._write(take_snapshot(), state)

    def _watch(self, take_snapshot: Callable[[], Snapshot]) -> None:
        while not self._ended.wait(PERIOD):
            self._write(take_snapshot(), "running")

    def _write(self, snapshot: Snapshot, state: RunState) -> None:
        """Errors are ignored: a full disk ends the run where results are written, with a clear message."""
        stages, in_hand, workers = snapshot
        status = replace(
            self._initial,
            updated=time.time(),
            state=state,
            stages={name: self._stage(name, stage) for name, stage in stages.items()},
            in_hand=tuple(in_hand) if state == "running" else (),
            workers=tuple(workers) if state == "running" else (),
        )
        data = asdict(status)
        data["workers"] = [_worker_data(worker) for worker in status.workers]
        with contextlib.suppress(OSError):
            write_text_atomically(self.path, json.dumps(data))

    def _stage(self, name: str, stage: Stage) -> StageState:
        counts = self._counts.setdefault(name, deque(maxlen=WINDOW))
        counts.append((time.monotonic(), stage.done))
        (start, first), (end, last) = counts[0], counts[-1]
        rate = (last - first) / (end - start) if end > start else 0.0
        return StageState(stage.done, stage.failed, stage.total, rate)


def _worker_data(worker: WorkerState) -> dict[str, Any]:
    """In the file the queue is called ``lane``, so that files of earlier versions can be read."""
    data = asdict(worker)
    return {"lane": data.pop("queue"), **data}


def read(out: Path) -> RunStatus | None:
    """Read the file in the folder of a report; ``None`` if there is none.

    Raises:
        ConfigError: It is damaged.
    """
    path = out / NAME
    try:
        data = finite_json(read_regular(path))
        workers = [{"queue": worker.pop("lane"), **worker} for worker in data.pop("workers")]
        return converted(RunStatus, {**data, "workers": workers})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: {error!r}; run the sweep again, or delete it") from None
