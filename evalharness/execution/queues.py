"""The queues of a run: trajectories to draw and images to score, handed out in batches."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalharness.api.executor import WorkerSpec
from evalharness.api.variant import Variant
from evalharness.config.schema import FailureLimits
from evalharness.execution.failure_limits import FirstFailures, too_many
from evalharness.execution.workers import ScoreJob
from evalharness.planning.plan import Job
from evalharness.store.images import DamagedImageError
from evalharness.store.store import Store
from evalharness.types.item import ITEM_FIELDS, Item, ItemField
from evalharness.types.trajectory import PartialTrajectory, Trajectory

SMALLEST = 4
"""Batches get smaller towards the end, down to this fraction (1/4) of a full one."""
UNMEASURED_SCORE = 0.01
"""Seconds that a score is expected to take before any was measured."""


class _Queue:
    """The base of all queues: the jobs in hand, and the queues that feed this one.

    All state is guarded by one lock, which all queues of a run share.

    Jobs that are held are known, but not given out before :meth:`admit`.

    Attributes:
        subject: The model's alias, or the benchmark's name.
        title: The stage of the run's progress that counts this queue's jobs.
        in_hand: Jobs that were taken and are not done yet, by key.
        feeders: Queues whose results may add jobs to this one.
        stopped: Whether no more jobs are given out.
        limits: When the queue is given up because samples fail.
        first_failures: The first results, as far as they all failed the same way.
        stop_reason: Why it was given up; empty otherwise.
    """

    stage: Literal["draw", "score", "check"]

    def __init__(self, subject: str, title: str, worker_spec: WorkerSpec, lock: threading.Condition) -> None:
        self.subject = subject
        self.title = title
        self.worker_spec = worker_spec
        self.in_hand: dict[str, Any] = {}
        self.feeders: list[_Queue] = []
        self.stopped = False
        self.done = self.failed = 0
        self.limits = FailureLimits(first=None)
        self.first_failures = FirstFailures(None)
        self.stop_reason = ""
        self._lock = lock
        self._single: deque[Any] = deque()
        """Jobs that are to be batches of one."""
        self._held: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Stage and subject, unique in a run."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many jobs could be taken now."""
        raise NotImplementedError

    @property
    def total(self) -> int:
        """How many jobs are known so far: done, in hand, waiting and held."""
        return self.done + self.waiting + self.held + len(self.in_hand)

    @property
    def held(self) -> int:
        """How many jobs wait for :meth:`admit`."""
        return 0 if self.stopped else len(self._held)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or in hand."""
        with self._lock:
            return not self.in_hand and (self.stopped or not self.waiting)

    @property
    def finished(self) -> bool:
        """Whether nothing is waiting or in hand, and nothing can be added any more."""
        with self._lock:
            fed = self.held > 0 or not all(feeder.finished for feeder in self.feeders)
            return self.idle and (self.stopped or not fed)

    def stop(self) -> None:
        """Give out no more jobs; those that wait stay undone."""
        with self._lock:
            self.stopped = True
            self._lock.notify_all()

    def hold(self, keep: Collection[str]) -> None:
        """Hold all waiting jobs but those with these keys; if the queue has none of these, its first job stays."""
        with self._lock:
            jobs = self._take_waiting()
            kept = [key for key in jobs if key in keep] or list(jobs)[:1]
            for key in kept:
                self._append(key, jobs.pop(key))
            self._held = jobs

    def admit(self, keys: Collection[str] | None = None) -> None:
        """Let the held jobs with these keys wait again, or all held jobs."""
        with self._lock:
            for key in [key for key in self._held if keys is None or key in keys]:
                self._append(key, self._held.pop(key))
            self._lock.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until something may have changed, or for so long."""
        with self._lock:
            self._lock.wait(seconds)

    def settle(self, jobs: Sequence[Any], failed: int) -> None:
        """Count jobs as done whose results are written."""
        with self._lock:
            for job in jobs:
                self.in_hand.pop(job.key, None)
            self.done += len(jobs)
            self.failed += failed
            if too_many(self.limits, self.done, self.failed) and not self.stop_reason:
                self._give_up(f"{self.failed} of {self.done} failed, more than the rate {self.limits.rate:g}")
            self._lock.notify_all()

    def limit_failures(self, limits: FailureLimits, ignored: Collection[str]) -> None:
        """Set when the queue is given up; ``ignored`` are keys of jobs that are known to fail."""
        self.limits, self.first_failures = limits, FirstFailures(limits.first, ignored)

    def note(self, jobs: Sequence[Any], outcomes: Sequence[Any], worker: str = "") -> None:
        """Give the queue up if its first results all failed the same way; see the class ``WorkQueue``."""
        with self._lock:
            failure = self.first_failures.observe(jobs, outcomes, worker)
            if failure is not None and not self.stop_reason:
                self._give_up(f"the first {len(self.first_failures.keys)} all failed: {failure.reason}")

    def _give_up(self, reason: str) -> None:
        self.stop_reason = f"stopped to {self.name}: {reason}; mend the cause and run again"
        self.stop()

    def keep(self, partial: Mapping[str, PartialTrajectory]) -> None:
        """Store the steps so far of jobs in hand; only drawings have any."""

    def pace(self, jobs: int, seconds: float) -> None:
        """Correct the expected load by what a batch took; drawings are measured one by one instead."""

    def _take_waiting(self) -> dict[str, Any]:
        """Remove the jobs that wait, and return them by key."""
        raise NotImplementedError

    def _append(self, key: str, job: Any) -> None:
        """Let a job wait after the others."""
        raise NotImplementedError

    def _hand_out(self, jobs: Sequence[Any]) -> Sequence[Any]:
        self.in_hand.update((job.key, job) for job in jobs)
        return jobs


class DrawQueue(_Queue):
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
        self._measured: dict[Variant, _Pace] = {}
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

    def put_back(self, jobs: Sequence[Job], *, alone: bool = False) -> None:
        """Return jobs that were taken and not done; ``alone`` makes each a batch of its own from now on."""
        with self._lock:
            for job in reversed(jobs):
                self.in_hand.pop(job.key, None)
                if alone:
                    self._single.append(job)
                else:
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
            self._measured.setdefault(job.variant, _Pace()).add(1, trajectory.cost.seconds)

    def _seconds(self, variant: Variant) -> float:
        pace = self._measured.get(variant)
        return max(pace.seconds_each if pace else self._expected[variant], 1e-6)


@dataclass(frozen=True, slots=True)
class PendingScore:
    """An image to score. ``image`` is its digest; ``retry`` says that scoring it failed before."""

    image: str
    item: Item
    retry: bool = False


@dataclass(slots=True)
class _Pace:
    """How long jobs took."""

    jobs: int = 0
    seconds: float = 0.0

    @property
    def seconds_each(self) -> float:
        return self.seconds / self.jobs

    def add(self, jobs: int, seconds: float) -> None:
        self.jobs += jobs
        self.seconds += seconds


class ScoreQueue(_Queue):
    """Images for one scorer. Their files are read when they are handed out.

    Args:
        subject: The benchmark's name.
        rescoring: The name of the rescoring that the scores are for; empty for the benchmark's own scores.
        intermediate: Whether the images are ones that no sample ends in.
        with_replies: Whether jobs carry the replies that judges gave about their image before.
        item_fields: The fields of an item that the scorer is given.

    Attributes:
        damaged: Digests of the images whose files could not be read.
    """

    def __init__(
        self,
        subject: str,
        worker_spec: WorkerSpec,
        store: Store,
        batch_size: int,
        *,
        rescoring: str = "",
        intermediate: bool = False,
        with_replies: bool = False,
        item_fields: Sequence[ItemField] = ITEM_FIELDS,
    ) -> None:
        self.stage = "check" if rescoring else "score"
        super().__init__(subject, "refinements" if intermediate else self.stage, worker_spec, store.lock)
        self.rescoring = rescoring
        self.intermediate = intermediate
        self.batch_size = batch_size
        self.damaged: set[str] = set()
        self._store, self._with_replies, self._item_fields = store, with_replies, item_fields
        self._pending: deque[tuple[str, PendingScore]] = deque()
        self._keys: set[str] = set()
        self._pace = _Pace()

    @property
    def name(self) -> str:
        name = f"{self.stage} {self.subject}"
        return f"{name} {self.rescoring}" if self.rescoring else name

    @property
    def waiting(self) -> int:
        return 0 if self.stopped else len(self._pending) + len(self._single)

    @property
    def load(self) -> float:
        """The seconds that the waiting and the held jobs are expected to take."""
        return (self.waiting + self.held) * (self._pace.seconds_each if self._pace.jobs else UNMEASURED_SCORE)

    def add(self, key: str, pending: PendingScore) -> None:
        """Add a score by its key, once, however many samples need it; one that is held waits from now on."""
        with self._lock:
            if key not in self._keys:
                self._keys.add(key)
                self._pending.append((key, pending))
                self._lock.notify_all()
            self.admit([key])

    def take(self, workers: int = 1, *, proven: bool = True) -> Sequence[ScoreJob]:
        """Take a batch, at most a worker's share of what is waiting."""
        with self._lock:
            if self.stopped:
                return []
            if self._single and (proven or not self._pending):
                return self._hand_out([self._single.popleft()])
            size = min(self.batch_size, math.ceil(len(self._pending) / workers))
            jobs: list[ScoreJob] = []
            while self._pending and len(jobs) < size:
                job = self._read(*self._pending.popleft())
                if job is not None:
                    jobs.append(job)
            return self._hand_out(jobs)

    def put_back(self, jobs: Sequence[ScoreJob], *, alone: bool = False) -> None:
        """Return jobs that were taken and not done; ``alone`` makes each a batch of its own from now on."""
        with self._lock:
            for job in reversed(jobs):
                self.in_hand.pop(job.key, None)
                if alone:
                    self._single.append(job)
                else:
                    self._pending.appendleft((job.key, PendingScore(job.digest, job.item, job.retry)))

    def _take_waiting(self) -> dict[str, PendingScore]:
        pending = dict(self._pending)
        self._pending.clear()
        return pending

    def _append(self, key: str, job: PendingScore) -> None:
        self._pending.append((key, job))

    def pace(self, jobs: int, seconds: float) -> None:
        """Correct the expected load by what a batch took."""
        self._pace.add(jobs, seconds)

    def _read(self, key: str, pending: PendingScore) -> ScoreJob | None:
        try:
            image = self._store.images.read(pending.image)
        except DamagedImageError:
            self.damaged.add(pending.image)
            return None
        replies = self._store.replies.known([pending.image]) if self._with_replies else {}
        return ScoreJob(key, pending.image, image, pending.item.only(self._item_fields), pending.retry, replies)


Queue = DrawQueue | ScoreQueue
