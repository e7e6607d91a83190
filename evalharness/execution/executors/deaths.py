"""Decides whether samples whose worker process died are tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from evalharness._util.text import one_line
from evalharness.api.executor import Done, WorkQueue
from evalharness.api.failure import Failure
from evalharness.errors import EvalHarnessError

MAX_DEATHS = 10
"""Consecutive deaths in a queue, with no batch done in between, that end the run: they are no sample's fault."""


class DeathRecord:
    """Counts deaths by queue and by sample.

    Args:
        retries: Number of times that a sample is tried again after its worker died.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._consecutive: Counter[str] = Counter()
        self._crashes: Counter[str] = Counter()

    def batch_done(self, queue: WorkQueue) -> None:
        """Note that a worker of the queue has finished a batch."""
        self._consecutive[queue.name] = 0

    def worker_died(self, queue: WorkQueue, running: Sequence[Any], reason: str) -> Iterator[Done]:
        """Put the batch that was being worked on back, each sample alone, and fail those that used up their retries.

        Raises:
            EvalHarnessError: workers of this queue die one after the other.
        """
        self._consecutive[queue.name] += 1
        if self._consecutive[queue.name] >= MAX_DEATHS:
            queue.put_back(running)
            raise EvalHarnessError(f"{MAX_DEATHS} workers to {queue.name} died, one after the other: {reason}")
        text = f"{self._retries + 1} workers died at it, the last: {reason}" if self._retries else reason
        yield from retry_or_fail(queue, running, self._crashes, self._retries, text, alone=True)


def retry_or_fail(
    queue: WorkQueue, jobs: Sequence[Any], losses: Counter[str], limit: int, reason: str, *, alone: bool
) -> Iterator[Done]:
    """Put jobs back, but fail those that were lost more than ``limit`` times."""
    losses.update(job.key for job in jobs)
    queue.put_back([job for job in jobs if losses[job.key] <= limit], alone=alone)
    if failed := [job for job in jobs if losses[job.key] > limit]:
        yield queue, failed, [Failure(one_line(reason)) for _ in failed]
