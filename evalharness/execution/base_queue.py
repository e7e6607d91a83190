"""What all queues of a run have in common: jobs in hand, held and failed, and the queues that feed them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evalharness.api.executor import WorkerSpec
from evalharness.config.schema import FailureLimits
from evalharness.execution.failure_limits import FirstFailures, too_many
from evalharness.types.trajectory import PartialTrajectory


@dataclass(slots=True)
class Pace:
    """How long jobs took."""

    jobs: int = 0
    seconds: float = 0.0

    @property
    def seconds_each(self) -> float:
        return self.seconds / self.jobs

    def add(self, jobs: int, seconds: float) -> None:
        self.jobs += jobs
        self.seconds += seconds


class BaseQueue:
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
        self.feeders: list[BaseQueue] = []
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
        """How many jobs are known so far: done, in hand, waiting, postponed and held."""
        return self.done + self.waiting + self.postponed + self.held + len(self.in_hand)

    @property
    def held(self) -> int:
        """How many jobs wait for :meth:`admit`."""
        return 0 if self.stopped else len(self._held)

    @property
    def postponed(self) -> int:
        """How many jobs cannot be taken as long as another queue has jobs like them in hand."""
        return 0

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or in hand."""
        with self._lock:
            return not self.in_hand and (self.stopped or not self.waiting)

    @property
    def finished(self) -> bool:
        """Whether nothing is waiting or in hand, and nothing can be added any more."""
        with self._lock:
            fed = self.held > 0 or self.postponed > 0 or not all(feeder.finished for feeder in self.feeders)
            return self.idle and (self.stopped or not fed)

    def put_back(self, jobs: Sequence[Any], *, alone: bool = False) -> None:
        """Return jobs that were taken and not done; ``alone`` makes each a batch of its own from now on."""
        with self._lock:
            for job in reversed(jobs):
                self.in_hand.pop(job.key, None)
                if alone:
                    self._single.append(job)
                else:
                    self._put_first(job)

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

    def _put_first(self, job: Any) -> None:
        """Let a job wait before the others."""
        raise NotImplementedError

    def _append(self, key: str, job: Any) -> None:
        """Let a job wait after the others."""
        raise NotImplementedError

    def _hand_out(self, jobs: Sequence[Any]) -> Sequence[Any]:
        self.in_hand.update((job.key, job) for job in jobs)
        return jobs
