"""The queues of a run: what waits to be drawn or scored, in batches (see ``api.executor.WorkQueue``)."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalharness.api.executor import WorkerSpec
from evalharness.generation.variants import VariantSettings
from evalharness.plan.plan import Job
from evalharness.run.workers import ScoreJob
from evalharness.store.store import DamagedImageError, Store
from evalharness.types.item import Item
from evalharness.types.trajectory import Trajectory

SMALLEST = 8
"""Batches get smaller towards the end, but not below this part of a full one."""


class _Queue:
    """What queues share: jobs in hand, and the queues that feed this one. All is done under one lock."""

    stage: Literal["draw", "score", "check"]

    def __init__(self, subject: str, worker_spec: WorkerSpec, lock: threading.Condition) -> None:
        self.subject = subject
        self.worker_spec = worker_spec
        self.in_hand: dict[str, Any] = {}
        self.feeders: list[_Queue] = []
        self.stopped = False
        self.done = self.failed = 0
        self._lock = lock
        self._alone: deque[Any] = deque()

    @property
    def waiting(self) -> int:
        raise NotImplementedError

    @property
    def total(self) -> int:
        """All that is known of by now."""
        return self.done + self.waiting + len(self.in_hand)

    @property
    def finished(self) -> bool:
        with self._lock:
            idle = not self.in_hand and (self.stopped or not self.waiting)
            return idle and (self.stopped or all(feeder.finished for feeder in self.feeders))

    def stop(self) -> None:
        """Give out no more; what is waiting stays undone."""
        with self._lock:
            self.stopped = True
            self._lock.notify_all()

    def wait(self, seconds: float) -> None:
        with self._lock:
            self._lock.wait(seconds)

    def settle(self, jobs: Sequence[Any], failed: int) -> None:
        """These are done and written."""
        with self._lock:
            for job in jobs:
                self.in_hand.pop(job.key, None)
            self.done += len(jobs)
            self.failed += failed
            self._lock.notify_all()

    def _hand_out(self, jobs: Sequence[Any]) -> Sequence[Any]:
        self.in_hand.update((job.key, job) for job in jobs)
        return jobs


class DrawQueue(_Queue):
    """Trajectories to make with one model, those that take longest first.

    A batch is of one variant. ``cost`` gives the seconds that a job is expected to take; what is measured corrects it.
    """

    stage: Literal["draw", "score", "check"] = "draw"

    def __init__(
        self,
        subject: str,
        worker_spec: WorkerSpec,
        lock: threading.Condition,
        jobs: Iterable[Job],
        batch_size: int,
        cost: Callable[[Job], float],
    ) -> None:
        super().__init__(subject, worker_spec, lock)
        self.batch_size = batch_size
        groups: dict[VariantSettings, deque[Job]] = {}
        for job in jobs:
            groups.setdefault(job.variant, deque()).append(job)
        self._cost = {variant: cost(own[0]) for variant, own in groups.items()}
        self._measured: dict[VariantSettings, tuple[int, float]] = {}
        self._groups = dict(sorted(groups.items(), key=lambda pair: -self._cost[pair[0]]))

    @property
    def name(self) -> str:
        return f"draw {self.subject}"

    @property
    def waiting(self) -> int:
        return 0 if self.stopped else len(self._alone) + sum(map(len, self._groups.values()))

    @property
    def load(self) -> float:
        with self._lock:
            alone = sum(self._seconds(job.variant) for job in self._alone)
            return alone + sum(len(own) * self._seconds(variant) for variant, own in self._groups.items())

    def take(self, workers: int = 1) -> Sequence[Job]:
        """With several workers a batch is at most half of each one's share of what is left.

        That is guided self-scheduling (Polychronopoulos and Kuck, 1987): all come to the end together, however unequal
        the costs.
        """
        with self._lock:
            if self.stopped:
                return []
            if self._alone:
                return self._hand_out([self._alone.popleft()])
            variant = next((variant for variant, own in self._groups.items() if own), None)
            if variant is None:
                return []
            size = self.batch_size
            if workers > 1:
                share = self.load / (2 * workers)
                size = max(math.ceil(size / SMALLEST), min(size, int(share / self._seconds(variant))))
            own = self._groups[variant]
            return self._hand_out([own.popleft() for _ in range(min(size, len(own)))])

    def put_back(self, jobs: Sequence[Job], *, alone: bool = False) -> None:
        with self._lock:
            for job in reversed(jobs):
                self.in_hand.pop(job.key, None)
                if alone:
                    self._alone.append(job)
                else:
                    self._groups[job.variant].appendleft(job)

    def drop(self, keys: Collection[str]) -> None:
        """These have failed before they were taken."""
        with self._lock:
            for variant, own in self._groups.items():
                self._groups[variant] = deque(job for job in own if job.key not in keys)
            self.done += len(keys)
            self.failed += len(keys)

    def measure(self, job: Job, trajectory: Trajectory) -> None:
        """Learn from what a trajectory took."""
        with self._lock:
            count, seconds = self._measured.get(job.variant, (0, 0.0))
            self._measured[job.variant] = (count + 1, seconds + trajectory.cost.seconds)

    def _seconds(self, variant: VariantSettings) -> float:
        count, seconds = self._measured.get(variant, (0, 0.0))
        return max(seconds / count if count else self._cost[variant], 1e-6)


@dataclass(frozen=True, slots=True)
class PendingScore:
    """An image that must be looked at, by its digest. ``retry``: that failed before."""

    image: str
    item: Item
    retry: bool = False


@dataclass
class _Pace:
    jobs: int = 0
    seconds: float = 0.0


class ScoreQueue(_Queue):
    """Images for one scorer. Files are read as they are handed out; ``damaged`` has the digests of those that are."""

    def __init__(
        self,
        subject: str,
        worker_spec: WorkerSpec,
        lock: threading.Condition,
        store: Store,
        batch_size: int,
        *,
        rescoring: str = "",
        with_replies: bool = False,
    ) -> None:
        super().__init__(subject, worker_spec, lock)
        self.stage = "check" if rescoring else "score"
        self.rescoring = rescoring
        self.batch_size = batch_size
        self.damaged: set[str] = set()
        self._store, self._with_replies = store, with_replies
        self._todo: deque[tuple[str, PendingScore]] = deque()
        self._seen: set[str] = set()
        self._pace = _Pace()

    @property
    def name(self) -> str:
        return f"{self.stage} {self.subject}{' ' + self.rescoring if self.rescoring else ''}"

    @property
    def waiting(self) -> int:
        return 0 if self.stopped else len(self._todo) + len(self._alone)

    @property
    def load(self) -> float:
        seconds = self._pace.seconds / self._pace.jobs if self._pace.jobs else 0.01
        return self.waiting * seconds

    def add(self, key: str, todo: PendingScore) -> None:
        """Once for each key, however many samples have it."""
        with self._lock:
            if key not in self._seen:
                self._seen.add(key)
                self._todo.append((key, todo))
                self._lock.notify_all()

    def take(self, workers: int = 1) -> Sequence[ScoreJob]:
        with self._lock:
            if self.stopped:
                return []
            if self._alone:
                return self._hand_out([self._alone.popleft()])
            size = min(self.batch_size, math.ceil(len(self._todo) / workers))
            jobs: list[ScoreJob] = []
            while self._todo and len(jobs) < size:
                jobs += self._read(*self._todo.popleft())
            return self._hand_out(jobs)

    def put_back(self, jobs: Sequence[ScoreJob], *, alone: bool = False) -> None:
        with self._lock:
            for job in reversed(jobs):
                self.in_hand.pop(job.key, None)
                if alone:
                    self._alone.append(job)
                else:
                    self._todo.appendleft((job.key, PendingScore(job.digest, job.item, job.retry)))

    def pace(self, jobs: int, seconds: float) -> None:
        """Learn from what a batch took."""
        self._pace.jobs += jobs
        self._pace.seconds += seconds

    def _read(self, key: str, todo: PendingScore) -> list[ScoreJob]:
        try:
            image = self._store.image(todo.image)
        except DamagedImageError:
            self.damaged.add(todo.image)
            return []
        replies = self._store.replies.known([todo.image]) if self._with_replies else {}
        return [ScoreJob(key, todo.image, image, todo.item, todo.retry, replies)]
