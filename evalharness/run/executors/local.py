"""Everything in this process, one batch after the other: first all drawing, then all scoring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from evalharness.api.executor import Done, WorkerState, WorkQueue, isolate
from evalharness.errors import BudgetError

POLL = 0.2
"""Seconds to wait for work that another thread may bring."""


class Local:
    """The default executor. It holds one model or scorer at a time."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._at: list[WorkerState] = []

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        for queue in queues:
            yield from self._work(queue)

    def _work(self, queue: WorkQueue) -> Iterator[Done]:
        worker = None
        while not queue.finished:
            batch = queue.take()
            if not batch:
                queue.wait(POLL)
                continue
            self._at = [WorkerState(queue.name, "this process", "busy", len(batch))]
            worker = worker or queue.worker_spec.worker()
            outcomes: list[Any] | BudgetError
            try:
                outcomes = isolate(worker, batch)
            except BudgetError as spent:
                outcomes = spent
            self._at = []
            yield queue, batch, outcomes

    def workers(self) -> list[WorkerState]:
        return self._at

    def close(self) -> None:
        """Nothing to let go of."""
