"""Work that is done elsewhere: judges and image models behind an address, each with a thread of this process.

The thread takes jobs as they come up and hands on what comes back, so that nobody waits for a network.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer
from evalharness.api.judge import Budgeted
from evalharness.api.model import ImageRequest, RemoteImageModel
from evalharness.errors import SampleError
from evalharness.plan.plan import Job
from evalharness.run.queues import DrawQueue, ScoreQueue
from evalharness.run.workers import ScoreJob
from evalharness.store.store import Store
from evalharness.types.score import Score
from evalharness.types.trajectory import Trajectory

T = TypeVar("T")
Keep = Callable[[Any, Any, Any], None]
"""Of a queue, a job and its outcome: writes it."""
POLL = 0.5
PATIENCE = 5.0
"""Seconds that a thread has to end in once it is told to."""


class RemoteWork(Protocol):
    """What is elsewhere."""

    def recall(self) -> None:
        """Have its budget count what was spent before this run."""
        ...

    def ask(self, jobs: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """The key of each job with a score, a trajectory or a SampleError, as they come."""
        ...


class RemoteJudge:
    """A scorer whose judge is behind an endpoint."""

    def __init__(self, scorer: JudgeScorer, store: Store) -> None:
        self._scorer, self._store = scorer, store

    def recall(self) -> None:
        for judge in getattr(self._scorer, "judges", ()):
            if isinstance(judge, Budgeted):
                judge.recall(self._store.replies.spent(digest(dict(judge.identity()))))

    def ask(self, jobs: Iterable[ScoreJob]) -> Iterator[tuple[str, Score | SampleError]]:
        requests = (job.request() for job in jobs)
        with _closed(self._scorer.judge(requests, self._store.replies)) as judged:
            for request, outcome in judged:
                yield request.key, outcome


class RemoteModel:
    """An image model that is elsewhere."""

    def __init__(self, model: RemoteImageModel, identity: str, store: Store) -> None:
        self._model, self._identity, self._store = model, identity, store

    def recall(self) -> None:
        self._model.recall(self._store.spent(self._identity))

    def ask(self, jobs: Iterable[Job]) -> Iterator[tuple[str, Trajectory | SampleError]]:
        keys: dict[int, str] = {}

        def requests() -> Iterator[tuple[int, ImageRequest]]:
            for number, job in enumerate(jobs):
                keys[number] = job.key
                yield number, ImageRequest(job.prompt, job.seed)

        with _closed(self._model.generate(requests())) as delivered:
            for number, outcome in delivered:
                drawn = outcome if isinstance(outcome, SampleError) else Trajectory((outcome,))
                yield keys.pop(number), drawn


class RemoteWorker:
    """A queue's thread. What it raised is in ``error`` once :attr:`queue` is stopped."""

    def __init__(self, work: RemoteWork, queue: DrawQueue | ScoreQueue, keep: Keep) -> None:
        self.queue = queue
        self.error: BaseException | None = None
        self._work, self._keep = work, keep
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=queue.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Until all is done."""
        while self._thread.is_alive():
            self._thread.join(POLL)

    def end(self) -> None:
        """Ask nothing more. An answer that takes longer than :data:`PATIENCE` is not waited for."""
        self._ending.set()
        self.queue.stop()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            self._work.recall()
            while not self.queue.finished and not self._ending.is_set():
                if self.queue.waiting:
                    self._go()
                else:
                    self.queue.wait(POLL)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the run is driven
            self.error = error
        finally:
            self.queue.stop()

    def _go(self) -> None:
        """All that is there. Each outcome is written as it comes: it may have cost money."""
        in_hand: dict[str, Any] = {}
        try:
            with _closed(self._work.ask(self._jobs(in_hand))) as outcomes:
                for key, outcome in outcomes:
                    if self._ending.is_set():
                        return
                    self._keep(self.queue, in_hand.pop(key), outcome)
        finally:
            self.queue.put_back(list(in_hand.values()))

    def _jobs(self, in_hand: dict[str, Any]) -> Iterator[Any]:
        while not self._ending.is_set() and (jobs := self.queue.take()):
            for job in jobs:
                in_hand[job.key] = job
                yield job


@contextlib.contextmanager
def _closed(iterator: Iterator[T]) -> Iterator[Iterator[T]]:
    """A generator that ends with the block, however that ends: what it holds open does not wait for a collector."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()
