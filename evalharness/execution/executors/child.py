"""The program of a child process of the executor ``local``: it takes packed batches from a pipe and answers them.

It holds the workers that the parent has not told it to release. It ends when the pipe is closed, also in the middle of
a batch: no child outlives its parent, however that ended. It ignores SIGINT and SIGTERM, which a batch system sends to
all processes of a job: the parent decides when it has finished.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from evalharness.execution.executors.host import Plain, WorkerHost


def main(descriptor: int, threads: int) -> None:
    """Answer batches until the pipe is closed.

    Args:
        descriptor: The child's end of the pipe.
        threads: Threads of each computation on the processor.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(descriptor)
    inbox: queue.SimpleQueue[Plain] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, inbox), daemon=True).start()
    connection.send({"ready": os.getpid()})
    hosts: dict[str, WorkerHost] = {}
    while True:
        request = inbox.get()
        _release(hosts, request["release"])
        connection.send(_answer(hosts, request, threads, lambda steps: connection.send({"steps": steps})))


def _read(connection: Connection, inbox: queue.SimpleQueue[Plain]) -> None:
    while True:
        try:
            inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)


def _answer(hosts: dict[str, WorkerHost], request: Plain, threads: int, keep: Callable[[Plain], None]) -> Plain:
    worker = request["worker"]
    try:
        if worker not in hosts:
            hosts[worker] = WorkerHost(request["spec"], {}, threads, keep)
        return hosts[worker].work(request["batch"])
    except Exception:  # noqa: BLE001 - a fault in a plugin, outside of any sample; the parent raises it
        return {"crashed": traceback.format_exc()}


def _release(hosts: dict[str, WorkerHost], names: list[str]) -> None:
    """Free the memory of workers that are no longer needed."""
    released = [hosts.pop(name) for name in names if name in hosts]
    if not released:
        return
    released.clear()
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        torch.cuda.empty_cache()
