"""How far a run is, for those who look from elsewhere: a small file beside its report, written anew every other second.

``status.json`` says which sweep it is, whose process works on it, what is in hand and where. What is done stands in the
store; nothing here decides anything.
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
from typing import Any

from evalharness._util.files import write_text_atomically
from evalharness._util.progress import Stage
from evalharness.api.executor import WorkerState
from evalharness.errors import ConfigError

NAME = "status.json"
PERIOD = 2.0
WINDOW = 150
"""So many of the last counts tell the rate: five minutes."""
STALE = 60.0
"""A file of another machine that is older, in seconds, is of a run that has died."""


@dataclass(frozen=True)
class StageState:
    done: int
    failed: int
    total: int
    rate: float


@dataclass(frozen=True)
class Live:
    """What the file says. ``in_hand``: keys of the trajectories and scores that are being worked on."""

    sweep: Mapping[str, Any]
    store: str
    host: str
    pid: int
    started: float
    updated: float
    state: str
    stages: Mapping[str, StageState] = field(default_factory=dict)
    in_hand: tuple[str, ...] = ()
    workers: tuple[WorkerState, ...] = ()

    @property
    def running(self) -> bool:
        """Whether its process is still there, as far as one can tell from here."""
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
    """Writes the file while a run goes on."""

    def __init__(self, out: Path, sweep: Mapping[str, Any], store: Path) -> None:
        self.path = out / NAME
        self._first = Live(sweep, str(store), socket.gethostname(), os.getpid(), time.time(), 0.0, "running")
        self._counts: dict[str, deque[tuple[float, int]]] = {}
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watching(
        self, snapshot: Callable[[], tuple[Mapping[str, Stage], list[str], list[WorkerState]]]
    ) -> Iterator[None]:
        """``snapshot`` gives stages, keys in hand and workers; it is called from another thread."""
        thread = threading.Thread(target=self._watch, args=(snapshot,), name="status", daemon=True)
        self._write(snapshot(), "running")
        thread.start()
        state = "stopped"
        try:
            yield
            state = "done"
        finally:
            self._ended.set()
            thread.join()
            self._write(snapshot(), state)

    def _watch(self, snapshot: Callable[[], Any]) -> None:
        while not self._ended.wait(PERIOD):
            self._write(snapshot(), "running")

    def _write(self, seen: tuple[Mapping[str, Stage], list[str], list[WorkerState]], state: str) -> None:
        """A disk that is full must not end the run here: it will say so where it matters."""
        stages, in_hand, workers = seen
        now = replace(
            self._first,
            updated=time.time(),
            state=state,
            stages={name: self._stage(name, stage) for name, stage in stages.items()},
            in_hand=tuple(in_hand) if state == "running" else (),
            workers=tuple(workers) if state == "running" else (),
        )
        data = asdict(now)
        data["workers"] = [_worker_data(worker) for worker in now.workers]
        with contextlib.suppress(OSError):
            write_text_atomically(self.path, json.dumps(data))

    def _stage(self, name: str, stage: Stage) -> StageState:
        counts = self._counts.setdefault(name, deque(maxlen=WINDOW))
        counts.append((time.monotonic(), stage.done))
        (start, before), (end, after) = counts[0], counts[-1]
        rate = (after - before) / (end - start) if end > start else 0.0
        return StageState(stage.done, stage.failed, stage.total, rate)


def _worker_data(worker: WorkerState) -> dict[str, Any]:
    """The file calls a queue a lane, as it always has."""
    data = asdict(worker)
    return {"lane": data.pop("queue"), **data}


def read(out: Path) -> Live | None:
    """The file of a report's folder; ``None`` if it has none.

    Raises:
        ConfigError: it is damaged.
    """
    path = out / NAME
    try:
        data = json.loads(path.read_bytes())
        stages = {name: StageState(**stage) for name, stage in data.pop("stages").items()}
        workers = tuple(WorkerState(queue=worker.pop("lane"), **worker) for worker in data.pop("workers"))
        return Live(**{**data, "stages": stages, "workers": workers, "in_hand": tuple(data["in_hand"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: {error!r}; run the sweep again, or delete it") from None
