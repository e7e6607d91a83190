"""Does all work in this process, one batch after the other: first all drawing that there is, then all scoring."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness._util import gpus
from evalharness._util.devices import processor_count
from evalharness._util.hashing import canonical
from evalharness.api.executor import Done, Executor, Worker, WorkerState, WorkQueue, isolate
from evalharness.api.failure import release_memory
from evalharness.errors import BudgetError
from evalharness.execution.executors.faults import RETRIES, FaultRecord, Process
from evalharness.types.trajectory import PartialTrajectory

POLL = 0.2
"""Seconds to wait for work that another thread may bring."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def worker_key(queue: WorkQueue) -> str:
    """The name of a queue's worker; queues with equal specs share a worker."""
    return canonical(queue.worker_spec.as_json())


class InProcess(Executor):
    """Holds one model and one scorer at a time; on a GPU, one of both.

    A failure that may be this process's is one that no success follows in its batch, or one of its memory or device.
    Then the model or scorer is made anew, and the sample tried again; or all else is left to another process.

    Args:
        settings: Unused.
        single_threaded: Compute with one thread, as a child process of the executor ``local`` does, so that results
            are the same to the last bit.
        may_hand_over: Whether another process can go on.

    Attributes:
        faulty: Whether this process may be at fault, so that another has to go on.
    """

    class Settings(BaseModel):
        """The executor has no settings."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(
        self, settings: BaseModel | None = None, *, single_threaded: bool = False, may_hand_over: bool = False
    ) -> None:
        self._single_threaded, self._may_hand_over = single_threaded, may_hand_over
        self._states: list[WorkerState] = []
        self._workers: dict[str, tuple[bool, Worker[Any, Any]]] = {}
        """By :func:`worker_key`: whether it draws, and the worker."""
        self._faults = FaultRecord(RETRIES, replay=False)
        self._process = Process("this process" if may_hand_over else "")
        self._queue: WorkQueue | None = None
        """The queue that is being worked on."""
        self.faulty = False

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished, always on the first queue that has work.

        It ends earlier if this process may be at fault, and another can go on.
        """
        while unfinished := [queue for queue in queues if not queue.finished]:
            queue = next((queue for queue in unfinished if queue.waiting), None)
            if queue is None:
                unfinished[0].wait(POLL)
                continue
            self._release(queue, unfinished)
            yield from self._work(queue)
            if self.faulty:
                return

    def _work(self, queue: WorkQueue) -> Iterator[Done]:
        """Work on a queue until nothing is waiting."""
        self._queue = queue
        while batch := queue.take(proven=self._process.proven):
            self._states = [WorkerState(queue.name, "this process", "busy", len(batch))]
            outcomes: list[Any] | BudgetError
            with one_thread() if self._single_threaded else contextlib.nullcontext():
                worker = self._worker(queue)
                try:
                    outcomes = isolate(worker, batch)
                except BudgetError as error:
                    outcomes = error
            self._states = []
            if isinstance(outcomes, BudgetError):
                yield queue, batch, outcomes
                continue
            verdict = self._faults.batch_done(queue, batch, outcomes, self._process)
            if verdict.jobs:
                yield queue, verdict.jobs, verdict.outcomes
            if verdict.replace:
                del worker, self._workers[worker_key(queue)]
                release_memory()
                self._process = Process(self._process.worker)
                self.faulty = self._may_hand_over
                if self.faulty:
                    self._workers.clear()
                    return

    def _worker(self, queue: WorkQueue) -> Worker[Any, Any]:
        key = worker_key(queue)
        if key not in self._workers:
            self._workers[key] = queue.stage == "draw", queue.worker_spec.worker(self._keep)
        return self._workers[key][1]

    def _keep(self, partial: Mapping[str, PartialTrajectory]) -> None:
        if self._queue is not None:
            self._queue.keep(partial)

    def _release(self, queue: WorkQueue, unfinished: Sequence[WorkQueue]) -> None:
        """Release the workers that are no longer needed, and those that take the place of this queue's worker."""
        key, draws = worker_key(queue), queue.stage == "draw"
        needed = {worker_key(other) for other in unfinished}
        self._workers = {
            name: (drawing, worker)
            for name, (drawing, worker) in self._workers.items()
            if name == key or (name in needed and drawing != draws and not gpus.visible())
        }

    def workers(self) -> list[WorkerState]:
        """The batch that is being worked on."""
        return self._states

    def close(self) -> None:
        """Release the workers."""
        self._workers.clear()


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
