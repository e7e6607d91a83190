"""The queue of images for one scorer."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.api.executor import WorkerSpec
from evalharness.execution.base_queue import BaseQueue, Pace
from evalharness.execution.workers import ScoreJob
from evalharness.store.images import DamagedImageError
from evalharness.store.store import Store
from evalharness.types.item import ITEM_FIELDS, Item, ItemField

UNMEASURED_SCORE = 0.01
"""Seconds that a score is expected to take before any was measured."""


@dataclass(frozen=True, slots=True)
class PendingScore:
    """An image to score. ``image`` is its digest; ``retry`` says that scoring it failed before."""

    image: str
    item: Item
    retry: bool = False


class ScoreQueue(BaseQueue):
    """Images for one scorer. Their files are read when they are handed out.

    Args:
        subject: The benchmark's name.
        rescoring: The name of the rescoring that the scores are for; empty for the benchmark's own scores.
        intermediate: Whether the images are ones that no sample ends in.
        with_replies: Whether jobs carry the replies that judges gave about their image before.
        item_fields: The fields of an item that the scorer is given.

    Attributes:
        damaged: Digests of the images whose files could not be read.
        same_judge: Queues that ask the same judge about images in the same way, perhaps this one among them. An image
            that one has in hand is given out by the others once its replies are stored, so that none is paid for twice.
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
        self.same_judge: list[ScoreQueue] = []
        self._store, self._with_replies, self._item_fields = store, with_replies, item_fields
        self._pending: deque[tuple[str, PendingScore]] = deque()
        self._images: Counter[str] = Counter()
        """How many waiting scores each image has, which :meth:`postponed` counts by."""
        self._keys: set[str] = set()
        self._pace = Pace()

    @property
    def name(self) -> str:
        name = f"{self.stage} {self.subject}"
        return f"{name} {self.rescoring}" if self.rescoring else name

    @property
    def waiting(self) -> int:
        with self._lock:
            return 0 if self.stopped else len(self._pending) + len(self._single) - self.postponed

    @property
    def postponed(self) -> int:
        with self._lock:
            return 0 if self.stopped else sum(self._images[image] for image in self._busy_images())

    @property
    def load(self) -> float:
        """The seconds that the waiting, the postponed and the held jobs are expected to take."""
        return (self.waiting + self.postponed + self.held) * (
            self._pace.seconds_each if self._pace.jobs else UNMEASURED_SCORE
        )

    def add(self, key: str, pending: PendingScore) -> None:
        """Add a score by its key, once, however many samples need it; one that is held waits from now on."""
        with self._lock:
            if key not in self._keys:
                self._keys.add(key)
                self._append(key, pending)
                self._lock.notify_all()
            self.admit([key])

    def take(self, workers: int = 1, *, proven: bool = True) -> Sequence[ScoreJob]:
        """Take a batch, at most a worker's share of what is waiting."""
        with self._lock:
            if self.stopped:
                return []
            if self._single and (proven or not self._pending):
                return self._hand_out([self._single.popleft()])
            size = min(self.batch_size, math.ceil((len(self._pending) - self.postponed) / workers))
            busy, passed = self._busy_images(), []
            jobs: list[ScoreJob] = []
            while self._pending and len(jobs) < size:
                key, pending = self._pending.popleft()
                if pending.image in busy:
                    passed.append((key, pending))
                    continue
                self._images[pending.image] -= 1
                job = self._read(key, pending)
                if job is not None:
                    jobs.append(job)
            self._pending.extendleft(reversed(passed))
            return self._hand_out(jobs)

    def _busy_images(self) -> set[str]:
        """Images that other queues of the judge have in hand."""
        others = [queue for queue in self.same_judge if queue is not self]
        return {job.digest for queue in others for job in queue.in_hand.values()}

    def _put_first(self, job: ScoreJob) -> None:
        self._images[job.digest] += 1
        self._pending.appendleft((job.key, PendingScore(job.digest, job.item, job.retry)))

    def _take_waiting(self) -> dict[str, PendingScore]:
        pending = dict(self._pending)
        self._pending.clear()
        self._images.clear()
        return pending

    def _append(self, key: str, job: PendingScore) -> None:
        self._images[job.image] += 1
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
