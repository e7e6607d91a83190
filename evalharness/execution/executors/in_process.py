"""Does all work in this process, one batch after the other: first all drawing, then all scoring."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness._util.devices import processor_count
from evalharness.api.executor import Done, Executor, WorkerState, WorkQueue, isolate
from evalharness.errors import BudgetError

POLL = 0.2
"""Seconds to wait for work that another thread may bring."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class InProcess(Executor):
    """Holds one model or scorer at a time.

    Args:
        settings: Unused.
        single_threaded: Compute with one thread, as a child process of the executor ``local`` does, so that results
            are the same to the last bit.
    """

    class Settings(BaseModel):
        """The executor has no settings."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, settings: BaseModel | None = None, *, single_threaded: bool = False) -> None:
        self._single_threaded = single_threaded
        self._states: list[WorkerState] = []

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished, one queue after the other."""
        for queue in queues:
            yield from self._work(queue)

    def _work(self, queue: WorkQueue) -> Iterator[Done]:
        worker = None
        while not queue.finished:
            batch = queue.take()
            if not batch:
                queue.wait(POLL)
                continue
            self._states = [WorkerState(queue.name, "this process", "busy", len(batch))]
            outcomes: list[Any] | BudgetError
            with one_thread() if self._single_threaded else contextlib.nullcontext():
                worker = worker or queue.worker_spec.worker()
                try:
                    outcomes = isolate(worker, batch)
                except BudgetError as error:
                    outcomes = error
            self._states = []
            yield queue, batch, outcomes

    def workers(self) -> list[WorkerState]:
        """The batch that is being worked on."""
        return self._states

    def close(self) -> None:
        """Nothing to release."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, even if it is first imported in the block."""
    environment = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else int(environment["OMP_NUM_THREADS"] or processor_count())
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    if torch:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(threads)
