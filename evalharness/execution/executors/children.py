"""Starts child processes, exchanges messages with them, and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from evalharness._util.gpus import Gpu
from evalharness.api.executor import WorkerState, WorkQueue
from evalharness.execution.executors import wire
from evalharness.execution.executors.faults import Process
from evalharness.execution.executors.host import Plain
from evalharness.execution.executors.in_process import THREAD_VARIABLES, worker_key

END_TIMEOUT = 5.0
"""Seconds that a process may take to end after its pipe was closed."""
PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from evalharness.execution.executors.child import main
main(int(sys.argv[2]), int(sys.argv[3]))
"""


@dataclass(eq=False)
class Child:
    """One child process. It works on one batch at a time.

    Attributes:
        number: Its place among the children, from 0.
        origin: What the record of faults knows of it.
        ready: Whether it has started.
        loaded: Stage of each worker that it holds, by worker key.
        queue: The queue of the batch that it works on.
        jobs: That batch; empty if it is idle.
        since: When it was given that batch, on the monotonic clock.
        loading: Whether it has to load that batch's worker first.
    """

    number: int
    place: str
    process: subprocess.Popen[bytes]
    connection: Connection
    ready: bool = False
    loaded: dict[str, str] = field(default_factory=dict)
    queue: WorkQueue | None = None
    jobs: Sequence[Any] = ()
    since: float = 0.0
    loading: bool = False
    origin: Process = field(default_factory=lambda: Process(""))

    @property
    def state(self) -> WorkerState:
        """The child's present state, for an observer in another thread."""
        queue, jobs = self.queue, self.jobs
        name = queue.name if queue is not None else "any queue"
        if not self.ready:
            return WorkerState(name, self.place, "starting")
        return WorkerState(name, self.place, "busy" if jobs else "idle", len(jobs))

    def send(self, queue: WorkQueue, jobs: Sequence[Any], release: Sequence[str]) -> None:
        """Let it work on a batch, after it has released workers.

        Raises:
            OSError: it has died.
        """
        key = worker_key(queue)
        self.queue, self.jobs, self.since = queue, jobs, time.monotonic()
        for name in release:
            self.loaded.pop(name, None)
        self.loading = key not in self.loaded
        self.loaded[key] = queue.stage
        self.connection.send(
            {
                "release": list(release),
                "worker": key,
                "spec": queue.worker_spec.as_json(),
                "batch": wire.pack_jobs(jobs),
            }
        )

    def receive(self) -> Plain:
        """Receive the child's next message.

        Raises:
            EOFError, OSError: it has died.
        """
        answer: Plain = self.connection.recv()
        self.ready = True
        return answer

    @property
    def memory(self) -> int:
        """Bytes of memory that it uses; 0 if the system does not tell."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def cause_of_death(self) -> str:
        """Why the process ended, in a few words."""
        try:
            code = self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            return "the worker process closed its pipe"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"the worker process was killed by {signal.Signals(-code).name}"
        return f"the worker process ended with exit code {code}"

    def kill(self) -> None:
        """End it and the processes that it started; it has nothing to lose."""
        self.connection.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(number: int, threads: int, gpu: Gpu | None) -> Child:
    """Start a child process, without waiting for it.

    It is a new program, not a fork, so that nothing of torch is shared, and it does not import the user's main module.
    It is in a session of its own: Ctrl-C reaches this process only, which ends its children.

    Args:
        number: Its place among the children, from 0.
        threads: Threads of each computation on the processor.
        gpu: The only GPU that it sees; None leaves the environment as it is.
    """
    ours, theirs = socket.socketpair()
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu.id
    command = [sys.executable, "-c", PROGRAM, json.dumps(sys.path), str(theirs.fileno()), str(threads)]
    with theirs:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
    place = f"worker {number + 1}" + (f", GPU {gpu.id}" if gpu else "")
    origin = Process(f"{place} (pid {process.pid})", device=f"GPU {gpu.id}" if gpu else "")
    return Child(number, place, process, Connection(ours.detach()), origin=origin)


def available_memory() -> int:
    """Bytes of memory that new processes may use; a very large number if the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return sys.maxsize
