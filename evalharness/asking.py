"""Asks judges that are elsewhere while this process draws: one thread a panel, which takes images as they come up."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from evalharness.benchmark import Panel, Score, Submission
from evalharness.errors import SampleError
from evalharness.judges.base import Budgeted
from evalharness.lanes import ScoreLane
from evalharness.seeds import digest
from evalharness.store import Store
from evalharness.work import ScoreJob

T = TypeVar("T")
Keep = Callable[[ScoreLane, ScoreJob, Score | SampleError], None]
POLL = 0.5
PATIENCE = 5.0
"""Seconds that a thread has to end in once it is told to."""


class Asking:
    """One panel's thread. What it raised is in ``error`` once :attr:`lane` is stopped."""

    def __init__(self, panel: Panel, lane: ScoreLane, store: Store, keep: Keep) -> None:
        self.panel, self.lane = panel, lane
        self.error: BaseException | None = None
        self._store, self._keep = store, keep
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=lane.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Until all is asked."""
        while self._thread.is_alive():
            self._thread.join(POLL)

    def end(self) -> None:
        """Ask nothing more. An answer that takes longer than :data:`PATIENCE` is not waited for."""
        self._ending.set()
        self.lane.stop()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            self._recall()
            while not self.lane.finished and not self._ending.is_set():
                if self.lane.waiting:
                    self._go()
                else:
                    self.lane.wait(POLL)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the run is driven
            self.error = error
        finally:
            self.lane.stop()

    def _recall(self) -> None:
        """What a budget counts is not only this run."""
        for judge in getattr(self.panel, "judges", ()):
            if isinstance(judge, Budgeted):
                judge.recall(self._store.replies.spent(digest(dict(judge.identity()))))

    def _go(self) -> None:
        """Ask about all that is there. Each score is written as it comes: a judge's reply may have cost money."""
        in_hand: dict[str, ScoreJob] = {}
        try:
            with _closed(self.panel.judge(self._submissions(in_hand), self._store.replies)) as judged:
                for submission, outcome in judged:
                    if self._ending.is_set():
                        return
                    self._keep(self.lane, in_hand.pop(submission.key), outcome)
        finally:
            self.lane.put_back(list(in_hand.values()))

    def _submissions(self, in_hand: dict[str, ScoreJob]) -> Iterable[Submission]:
        while jobs := self.lane.take():
            for job in jobs:
                in_hand[job.key] = job
                yield job.submission()


@contextlib.contextmanager
def _closed(iterator: Iterator[T]) -> Iterator[Iterator[T]]:
    """A generator that ends with the block, however that ends: what it holds open does not wait for a collector."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()
