"""When a queue is given up: its first samples all fail the same way, or too many fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from evalharness.api.failure import Failure
from evalharness.config.schema import FailureLimits
from evalharness.execution.workers import JudgedScore

MIN_DONE = 20
"""Samples of a queue below which the share of failed ones says nothing."""


class FirstFailures:
    """Watches the first results of a queue.

    Args:
        first: Number of samples that have to fail the same way; ``None`` if the queue is never given up.
        ignored: Keys of samples that are known to fail.

    Attributes:
        keys: Keys of the samples that failed.
    """

    def __init__(self, first: int | None, ignored: Collection[str] = ()) -> None:
        self.keys: set[str] = set()
        self._first, self._ignored = first, ignored
        self._workers: set[str] = set()
        self._failure: Failure | None = None
        self._over = first is None

    def observe(self, jobs: Sequence[Any], outcomes: Sequence[Any], worker: str) -> Failure | None:
        """Look at the results of a batch.

        Args:
            jobs: The batch.
            outcomes: A result or a failure for each job.
            worker: The process that worked on it, if another could do so; the cause may be this process alone.

        Returns:
            What all of the first samples failed with, as soon as there are enough.
        """
        if self._over:
            return None
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.key in self._ignored:
                continue
            failure = failure_in(outcome)
            if failure is None or (self._failure is not None and failure.signature != self._failure.signature):
                self._over = True
                return None
            self._failure = failure
            self.keys.add(job.key)
            self._workers.add(worker)
        enough = self._first is not None and len(self.keys) >= self._first
        return self._failure if enough and (len(self._workers) > 1 or not worker) else None


def failure_in(outcome: Any) -> Failure | None:
    """The failure that an outcome is or has."""
    if isinstance(outcome, JudgedScore):
        outcome = outcome.outcome
    return outcome if isinstance(outcome, Failure) else None


def too_many(limits: FailureLimits, done: int, failed: int) -> bool:
    """Whether a queue has more failed samples than the sweep file allows."""
    return limits.rate is not None and done >= MIN_DONE and failed > limits.rate * done
