"""The images that wait for the scorer, from all requests together."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Literal

from evalharness.api.executor import WorkerSpec
from evalharness.api.failure import Failure, failure_of
from evalharness.errors import BudgetError, EvalHarnessError
from evalharness.execution.base_queue import Pace
from evalharness.execution.workers import JudgedScore, ScoreJob
from evalharness.types.score import Score
from evalharness.types.trajectory import PartialTrajectory

LINGER = 0.005
"""Seconds that a batch waits for more images when it is not full: requests that are sent at once come one by one."""
UNMEASURED = 1.0
"""Seconds that an image is expected to take before any was measured."""

Outcome = Score | Failure


class FullError(EvalHarnessError):
    """There is no room for the images; ``seconds`` is after how long there may be."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class ClosedError(EvalHarnessError):
    """No images are taken any more."""


class RequestQueue:
    """A :class:`~evalharness.api.executor.WorkQueue` that is filled by requests until it is closed.

    Args:
        subject: The benchmark's name.
        worker_spec: What the scorer is made from.
        batch_size: Images that are scored together, at most.
        room: Images that may wait.
    """

    stage: Literal["draw", "score", "check"] = "score"

    def __init__(self, subject: str, worker_spec: WorkerSpec, batch_size: int, room: int) -> None:
        self.subject, self.worker_spec = subject, worker_spec
        self.batch_size, self.room = batch_size, room
        self.pace_so_far = Pace()
        self._changed = threading.Condition()
        self._waiting: deque[ScoreJob] = deque()
        self._single: deque[ScoreJob] = deque()
        """Jobs that are to be batches of one."""
        self._futures: dict[str, Future[Outcome]] = {}
        self._in_hand: set[str] = set()
        self._closed = ""

    # --- for requests ---

    def submit(self, jobs: Sequence[ScoreJob]) -> list[Future[Outcome]]:
        """Add images; each future gets a score or a failure.

        Raises:
            FullError: There is no room for all of them.
            ClosedError: The queue is closed.
        """
        with self._changed:
            if self._closed:
                raise ClosedError(self._closed)
            if self.waiting + len(jobs) > self.room:
                seconds = max(1, math.ceil(self.load))
                raise FullError(f"{self.waiting} images are waiting, with room for {self.room}", seconds)
            futures: list[Future[Outcome]] = [Future() for _ in jobs]
            self._futures.update(zip((job.key for job in jobs), futures, strict=True))
            self._waiting.extend(jobs)
            self._changed.notify_all()
        return futures

    def close(self, reason: str, *, drop: bool = False) -> None:
        """Take no more images; those that are here are scored, or with ``drop`` they fail for this reason."""
        with self._changed:
            self._closed = self._closed or reason
            dropped = list(self._futures.values()) if drop else []
            if drop:
                for kept in (self._waiting, self._single, self._in_hand, self._futures):
                    kept.clear()
            self._changed.notify_all()
        for future in dropped:
            _resolve(future, Failure(reason, "worker"))

    @property
    def in_hand(self) -> int:
        """Number of images that are being scored."""
        return len(self._in_hand)

    def settle(self, jobs: Sequence[ScoreJob], outcomes: Sequence[Any] | BudgetError) -> None:
        """Answer for a batch that is done."""
        if isinstance(outcomes, BudgetError):
            outcomes = [failure_of(outcomes) for _ in jobs]
        with self._changed:
            futures = [self._futures.pop(job.key, None) for job in jobs]
            self._in_hand.difference_update(job.key for job in jobs)
            self._changed.notify_all()
        for future, outcome in zip(futures, outcomes, strict=True):
            if future is not None:
                _resolve(future, outcome.outcome if isinstance(outcome, JudgedScore) else outcome)

    # --- for the executor ---

    @property
    def name(self) -> str:
        return f"score {self.subject}"

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._single)

    @property
    def load(self) -> float:
        return self.waiting * (self.pace_so_far.seconds_each if self.pace_so_far.jobs else UNMEASURED)

    @property
    def finished(self) -> bool:
        with self._changed:
            return bool(self._closed) and not self.waiting and not self._in_hand

    def take(self, workers: int = 1, *, proven: bool = True) -> Sequence[ScoreJob]:
        """Take a batch, at most a worker's share of what is waiting; one that is not full waits for more."""
        with self._changed:
            if self._single and (proven or not self._waiting):
                return self._hand_out([self._single.popleft()])
            end = time.monotonic() + LINGER
            while 0 < len(self._waiting) < self.batch_size and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            size = min(self.batch_size, math.ceil(len(self._waiting) / workers))
            return self._hand_out([self._waiting.popleft() for _ in range(size)])

    def put_back(self, jobs: Sequence[ScoreJob], *, alone: bool = False) -> None:
        with self._changed:
            self._in_hand.difference_update(job.key for job in jobs)
            for job in reversed(jobs):
                (self._single if alone else self._waiting).appendleft(job)
            self._changed.notify_all()

    def note(self, jobs: Sequence[Any], outcomes: Sequence[Any], worker: str = "") -> None:
        """A service does not give up because images fail."""

    def keep(self, partial: Mapping[str, PartialTrajectory]) -> None:
        """Scores have no steps."""

    def pace(self, jobs: int, seconds: float) -> None:
        self.pace_so_far.add(jobs, seconds)

    def wait(self, seconds: float) -> None:
        with self._changed:
            if not self.waiting:
                self._changed.wait(seconds)

    def _hand_out(self, jobs: list[ScoreJob]) -> Sequence[ScoreJob]:
        self._in_hand.update(job.key for job in jobs)
        return jobs


def _resolve(future: Future[Outcome], outcome: Outcome) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(outcome)
