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

    def run(self, lanes: Sequence[WorkQueue]) -> Iterator[Done]:
        for lane in lanes:
            yield from self._work(lane)

    def _work(self, lane: WorkQueue) -> Iterator[Done]:
        worker = None
        while not lane.finished:
            batch = lane.take()
            if not batch:
                lane.wait(POLL)
                continue
            self._at = [WorkerState(lane.name, "this process", "busy", len(batch))]
            worker = worker or lane.recipe.worker()
            outcomes: list[Any] | BudgetError
            try:
                outcomes = isolate(worker, batch)
            except BudgetError as spent:
                outcomes = spent
            self._at = []
            yield lane, batch, outcomes

    def workers(self) -> list[WorkerState]:
        return self._at

    def close(self) -> None:
        """Nothing to let go of."""
