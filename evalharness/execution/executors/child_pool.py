"""Shares the queues of a run between child processes: draws and scores side by side, and replaces children that die."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait

from evalharness._util.gpus import Gpu
from evalharness.api.executor import Done, WorkerState, WorkQueue
from evalharness.errors import BudgetError, EvalHarnessError
from evalharness.execution.executors import children, wire
from evalharness.execution.executors.children import Child
from evalharness.execution.executors.faults import RETRIES, FaultRecord
from evalharness.execution.executors.in_process import worker_key

POLL = 0.2
"""Seconds to wait for results, or for work that another thread may bring."""
MIN_WORK = 10.0
"""Seconds of waiting work that justify loading one more worker on the processor."""
MIN_WORK_GPU = 60.0
"""The same on a GPU. A child holds one worker at a time there, so the work has to justify replacing a loaded model."""
MIN_SCORING = 1.0
"""Seconds of waiting scoring for which a child that has the scorer stops drawing."""
MANY_IMAGES = 32
"""Waiting images that are scored even if the scorer's speed is not known yet."""
FIRST_BATCH_SHARE = 64
"""Number of workers by which a queue's first batch is divided, so that speed and memory are known soon."""
LOADING_TIME = 10.0
"""Seconds after which the memory of a child counts as that of a loaded worker, if its first batch takes longer."""
MEMORY_MARGIN = 1.25
"""Free memory, in multiples of what the largest child uses, needed for another child to load the same worker."""


class ChildPool:
    """At most ``size`` children, started as work comes up; they stay until :meth:`stop`.

    Args:
        size: Number of children.
        threads: Threads of each computation on the processor, in each child.
        gpus: One for each child, or none.
        min_work: Seconds of waiting work that justify loading one more worker; by default long enough for a run.
    """

    def __init__(self, size: int, threads: int, gpus: Sequence[Gpu] = (), *, min_work: float | None = None) -> None:
        self._size, self._threads, self._gpus = size, threads, gpus
        usual = MIN_WORK_GPU if gpus else MIN_WORK
        self._min_work = usual if min_work is None else min_work
        self._children: list[Child] = []
        self._queues: Sequence[WorkQueue] = ()
        self._measured: set[str] = set()
        """Keys of the workers that have finished a batch."""
        self._faults = FaultRecord(RETRIES, [f"GPU {gpu.id}" for gpu in gpus])

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished."""
        self._queues = queues
        try:
            while not all(queue.finished for queue in queues):
                self._start_children()
                for child in list(self._children):
                    if child.ready and not child.jobs:
                        yield from self._feed(child)
                yield from self._collect()
        finally:
            for child in list(self._children):
                if child.jobs or not child.ready:
                    self._end(child)

    def states(self) -> list[WorkerState]:
        """The state of each child."""
        return [child.state for child in list(self._children)]

    def warnings(self) -> list[str]:
        """A line for each device that is not used any more."""
        return self._faults.warnings()

    def stop(self) -> None:
        """End all children."""
        for child in list(self._children):
            self._end(child)

    # --- which children there are ---

    def _start_children(self) -> None:
        """Start one child as soon as there is work, and others while there is enough for each."""
        load = sum(queue.load for queue in self._waiting())
        waiting = sum(queue.waiting for queue in self._queues)
        while len(self._children) < min(self._size - len(self._faults.quarantined), waiting):
            if self._children and not self._are_overloaded(self._children, load):
                return
            number = self._free_number()
            gpu = self._gpus[number] if self._gpus else None
            self._children.append(children.start(number, self._threads, gpu))

    def _are_overloaded(self, holders: Sequence[Child], load: float) -> bool:
        """Whether one more child pays off: none is idle, and either the work or the children's batches take long."""
        if any(child.ready and not child.jobs for child in holders):
            return False
        now = time.monotonic()
        slow = all(child.jobs and now - child.since > self._min_work for child in holders)
        return slow or load > self._min_work * len(holders)

    def _free_number(self) -> int:
        taken = {child.number for child in self._children}
        taken |= {number for number, gpu in enumerate(self._gpus) if f"GPU {gpu.id}" in self._faults.quarantined}
        return next(number for number in range(self._size) if number not in taken)

    def _end(self, child: Child) -> None:
        self._children.remove(child)
        child.kill()

    # --- batches out ---

    def _waiting(self, *stages: str) -> list[WorkQueue]:
        return [queue for queue in self._queues if queue.waiting and (not stages or queue.stage in stages)]

    def _feed(self, child: Child) -> Iterator[Done]:
        """Send a batch to an idle child, if there is one that it should take."""
        queue = self._choose(child)
        if queue is None:
            return
        sharing = max(1, len(self._holders(queue))) if queue.stage != "draw" else len(self._children)
        jobs = queue.take(
            sharing if worker_key(queue) in self._measured else FIRST_BATCH_SHARE, proven=child.origin.proven
        )
        if not jobs:
            return
        try:
            child.send(queue, jobs, self._to_release(child, queue))
        except OSError:
            yield from self._replace(child)

    def _choose(self, child: Child) -> WorkQueue | None:
        """The queue to take the next batch from: scores first, where that is worth it, else drawings."""
        draws, scores = self._waiting("draw"), self._waiting("score", "check")
        held = [queue for queue in scores if worker_key(queue) in child.loaded]
        for queue in held:
            if not draws or queue.load >= MIN_SCORING or queue.waiting >= MANY_IMAGES:
                return queue
        candidates = [queue for queue in scores if queue not in held and self._may_load(queue, last_resort=not draws)]
        if candidates:
            return max(candidates, key=lambda queue: queue.load)
        for queue in draws:
            if worker_key(queue) in child.loaded or self._may_load(queue, last_resort=True):
                return queue
        return held[0] if held else None

    def _may_load(self, queue: WorkQueue, *, last_resort: bool) -> bool:
        """Whether one more child should load a queue's worker.

        Args:
            queue: A queue with waiting work.
            last_resort: Whether the first child may load it however little work there is.
        """
        holders = self._holders(queue)
        if not holders:
            many = worker_key(queue) not in self._measured and queue.waiting >= MANY_IMAGES
            return last_resort or many or queue.load > self._min_work
        return self._are_overloaded(holders, queue.load) and self._has_memory(queue, holders)

    def _holders(self, queue: WorkQueue) -> list[Child]:
        key = worker_key(queue)
        return [child for child in self._children if key in child.loaded]

    def _has_memory(self, queue: WorkQueue, holders: Sequence[Child]) -> bool:
        """Whether the processor's memory has room for one more worker; unknown until one has been loaded."""
        if self._gpus:
            return True
        loading = time.monotonic() - min(child.since for child in holders) < LOADING_TIME
        if loading and worker_key(queue) not in self._measured:
            return False
        return children.available_memory() > MEMORY_MARGIN * max(child.memory for child in holders)

    def _to_release(self, child: Child, queue: WorkQueue) -> list[str]:
        """The workers that a child has to release before it takes a batch of a queue.

        It keeps one model and one scorer, on a GPU only one of both; and none whose queue is finished.
        """
        needed = {worker_key(other) for other in self._queues if not other.finished}
        key, draws = worker_key(queue), queue.stage == "draw"
        return [
            name
            for name, stage in child.loaded.items()
            if name != key and (self._gpus or name not in needed or (stage == "draw") == draws)
        ]

    # --- results in ---

    def _collect(self) -> Iterator[Done]:
        by_connection = {child.connection: child for child in self._children}
        if not any(child.jobs or not child.ready for child in self._children):
            next((queue for queue in self._queues if not queue.finished), self._queues[0]).wait(POLL)
            return
        for connection in wait(list(by_connection), POLL):
            yield from self._receive(by_connection[connection])  # type: ignore[index]

    def _receive(self, child: Child) -> Iterator[Done]:
        try:
            answer = child.receive()
        except (EOFError, OSError):
            yield from self._replace(child)
            return
        if "ready" in answer:
            return
        queue, jobs = child.queue, child.jobs
        assert queue is not None
        if "steps" in answer:
            queue.keep({key: wire.unpack_partial(partial) for key, partial in answer["steps"].items()})
            return
        if "crashed" in answer:
            raise RuntimeError(f"a worker to {queue.name} failed in its own process:\n{answer['crashed']}")
        child.jobs = ()
        if "fatal" in answer:
            error = wire.unpack_error(answer)
            if not isinstance(error, BudgetError):
                raise error
            yield queue, jobs, error
            return
        outcomes = [wire.unpack_outcome(outcome) for outcome in answer["outcomes"]]
        verdict = self._faults.batch_done(queue, jobs, outcomes, child.origin)
        self._measured.add(worker_key(queue))
        if not child.loading:  # else the seconds are mostly those of loading
            queue.pace(len(jobs), answer["seconds"])
        if verdict.replace:
            self._end(child)
        else:
            yield from self._feed(child)
        if verdict.jobs:
            yield queue, verdict.jobs, verdict.outcomes

    def _replace(self, child: Child) -> Iterator[Done]:
        """Let the samples of a dead child be tried again, each alone; another child starts if there is work.

        Raises:
            EvalHarnessError: it died before it could work.
        """
        reason = child.cause_of_death()
        self._end(child)
        if not child.ready:
            raise EvalHarnessError(f"executor 'local': {reason} before it could work")
        if child.queue is not None and child.jobs:
            yield from self._faults.worker_died(child.queue, child.jobs, reason, child.origin)
