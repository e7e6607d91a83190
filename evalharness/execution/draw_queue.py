"""The queue of trajectories to draw with one model, handed out in batches that end together."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

from evalharness.api.executor import WorkerSpec
from evalharness.api.variant import Variant
from evalharness.execution.base_queue import BaseQueue, Pace
from evalharness.planning.plan import Job
from evalharness.types.trajectory import Trajectory

SMALLEST = 4
"""Batches get smaller towards the end, down to this fraction (1/4) of a full one."""


class DrawQueue(BaseQueue):
    """Trajectories to draw with one model, those that take longest first; a batch is of one variant.

    Args:
        subject: The model's alias.
        cost: The seconds that a job is expected to take, used until jobs of its variant were measured.
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
        super().__init__(subject, "draw", worker_spec, lock)
        self.batch_size, self._cost = batch_size, cost
        groups: dict[Variant, deque[Job]] = {}
        for job in jobs:
            groups.setdefault(job.variant, deque()).append(job)
        self._expected = {variant: cost(group[0]) for variant, group in groups.items()}
        self._measured: dict[Variant, Pace] = {}
        self._groups = dict(sorted(groups.items(), key=lambda pair: -self._expected[pair[0]]))

    @property
    def name(self) -> str:
        return f"draw {self.subject}"

    @property
    def waiting(self) -> int:
        return 0 if self.stopped else len(self._single) + sum(map(len, self._groups.values()))

    @property
    def load(self) -> float:
        """The seconds that the waiting and the held jobs are expected to take."""
        with self._lock:
            single = sum(self._seconds(job.variant) for job in [*self._single, *self._held.values()])
            return single + sum(len(group) * self._seconds(variant) for variant, group in self._groups.items())

    def take(self, workers: int = 1, *, proven: bool = True) -> Sequence[Job]:
        """Take a batch, at most half of a worker's share of the remaining load if there are several workers.

        This is guided self-scheduling (Polychronopoulos and Kuck, 1987): all workers end at about the same time,
        however unequal the costs.
        """
        with self._lock:
            if self.stopped:
                return []
            variant = next((variant for variant, group in self._groups.items() if group), None)
            if self._single and (proven or variant is None):
                return self._hand_out([self._single.popleft()])
            if variant is None:
                return []
            size = self.batch_size
            if workers > 1:
                share = self.load / (2 * workers)
                size = max(math.ceil(size / SMALLEST), min(size, int(share / self._seconds(variant))))
            group = self._groups[variant]
            return self._hand_out([group.popleft() for _ in range(min(size, len(group)))])

    def _put_first(self, job: Job) -> None:
        self._groups[job.variant].appendleft(job)

    def add(self, job: Job) -> None:
        """Add a job, which is a batch of its own."""
        with self._lock:
            self._expected.setdefault(job.variant, self._cost(job))
            self._single.append(job)
            self._lock.notify_all()

    def drop(self, keys: Collection[str]) -> None:
        """Count jobs as failed that were not taken yet."""
        with self._lock:
            for variant, group in self._groups.items():
                self._groups[variant] = deque(job for job in group if job.key not in keys)
            self.done += len(keys)
            self.failed += len(keys)

    def _take_waiting(self) -> dict[str, Job]:
        jobs = {job.key: job for group in self._groups.values() for job in group}
        for group in self._groups.values():
            group.clear()
        return jobs

    def _append(self, key: str, job: Job) -> None:
        self._groups[job.variant].append(job)

    def measure(self, job: Job, trajectory: Trajectory) -> None:
        """Correct the expected load by what a trajectory took."""
        with self._lock:
            self._measured.setdefault(job.variant, Pace()).add(1, trajectory.cost.seconds)

    def _seconds(self, variant: Variant) -> float:
        pace = self._measured.get(variant)
        return max(pace.seconds_each if pace else self._expected[variant], 1e-6)
