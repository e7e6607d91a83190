"""Keeps the steps that a worker makes while its batch goes on, so that neither a kill nor a failure loses them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from evalharness.api.executor import KeepSteps
from evalharness.planning.plan import Job
from evalharness.types.trajectory import PartialTrajectory, Step

EVERY = 0.5
"""Seconds after which steps are handed over to be stored. What a model makes faster costs little to make again."""


class StepRecord:
    """The steps of the batch in hand. A batch that is tried again in parts continues from them.

    Args:
        keep: Stores steps; ``None`` if they are only remembered.
    """

    def __init__(self, keep: KeepSteps | None) -> None:
        self._keep = keep
        self._made: dict[str, PartialTrajectory] = {}
        self._new: set[str] = set()
        """Keys of the jobs that have steps which were not handed over."""
        self._kept_at = 0.0

    def steps(self, job: Job) -> tuple[Step, ...]:
        """The steps to continue from."""
        made = self._made.get(job.key)
        return job.stored if made is None or len(made.steps) < len(job.stored) else made.steps

    @contextmanager
    def batch(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Forget the steps of jobs that succeed; hand over those of jobs that fail."""
        self._kept_at = time.monotonic()
        try:
            yield
        except Exception:
            self._hand_over()
            if len(jobs) == 1:  # it is not tried again here, but from what is stored
                self._made.pop(jobs[0].key, None)
            raise
        for job in jobs:
            self._made.pop(job.key, None)
            self._new.discard(job.key)

    def add(self, made: Mapping[str, PartialTrajectory]) -> None:
        """Remember new steps, by the key of their job, and hand them over if the last time is long ago."""
        self._made |= made
        self._new.update(made)
        if time.monotonic() - self._kept_at >= EVERY:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._keep is not None and self._new:
            self._keep({key: made for key, made in self._made.items() if key in self._new})
        self._new.clear()
        self._kept_at = time.monotonic()
