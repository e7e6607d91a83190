"""Work that a service does: a thread of this process serves each judge and image model behind an address.

The thread takes jobs as they are added and writes each outcome as it arrives, so no other work waits for the network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from evalharness._util.hashing import digest
from evalharness._util.prompt_images import read as read_picture
from evalharness.api.benchmark import JudgeScorer
from evalharness.api.judge import JudgePrompt
from evalharness.api.model import ImageRequest, RemoteImageModel
from evalharness.api.plugin import versioned_identity
from evalharness.api.plugin_results import plain_reply, plain_trajectory
from evalharness.errors import NotFiniteError, SampleError
from evalharness.execution.made_here import made_here
from evalharness.execution.queues import Queue
from evalharness.execution.scoring_clock import ScoringClock
from evalharness.execution.workers import ScoreJob, closed, judged_scores
from evalharness.planning.plan import Job
from evalharness.store.replies import StoredReplies
from evalharness.store.store import Store
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.trajectory import Step, Trajectory

FinishJob = Callable[[Any, Any, Any], None]
"""Writes the outcome of a job: takes its queue, the job and the outcome."""
OnEnd = Callable[["RemoteWorker"], None]
"""Called in the thread of a remote worker when it ends."""
POLL = 0.5
"""Seconds between looks at whether a thread or a queue has ended."""
PATIENCE = 5.0
"""Seconds that a thread has to end in once it is told to."""


class RemoteWork(Protocol):
    """A service that does jobs."""

    def recall(self) -> None:
        """Count what was spent before this run against the service's budget."""
        ...

    def outcomes(self, jobs: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """The key of each job with its score, trajectory or SampleError, as they arrive."""
        ...


class RemoteJudge:
    """A scorer whose judge is a service."""

    def __init__(self, scorer: JudgeScorer, identity: Mapping[str, Any], store: Store, name: str) -> None:
        self._scorer, self._store, self._name = scorer, store, name
        self._clock = ScoringClock(identity, loads=False)

    def recall(self) -> None:
        for judge in self._scorer.judges:
            judge.recall(self._store.replies.spent(digest(versioned_identity(judge.identity(), judge))))

    def outcomes(self, jobs: Iterable[ScoreJob]) -> Iterator[tuple[str, Score | SampleError]]:
        requests = (job.request() for job in jobs)
        replies = _PlainReplies(self._store.replies, self._name)
        self._clock.start()
        for request, outcome in judged_scores(self._scorer, requests, replies, self._name):
            if request.digest in replies.asked:
                replies.asked.discard(request.digest)
                time = self._clock.share(1)
                outcome = replace(outcome, time=time) if isinstance(outcome, Score) else outcome
            yield request.key, outcome


class _PlainReplies:
    """Stored replies; new ones are checked before they are stored.

    Attributes:
        asked: Digests of images that there are new replies about.
    """

    def __init__(self, stored: StoredReplies, name: str) -> None:
        self._stored, self._name = stored, name
        self.asked: set[str] = set()
        self.get, self.spent = stored.get, stored.spent

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        self._stored.add(key, prompt, judge, plain_reply(reply, self._name))
        self.asked.add(prompt.image)


class RemoteModel:
    """An image model that is a service."""

    def __init__(self, model: RemoteImageModel, identity: str, store: Store, name: str) -> None:
        self._model, self._identity, self._store, self._name = model, identity, store, name

    def recall(self) -> None:
        self._model.recall(self._store.trajectories.spent(self._identity))

    def outcomes(self, jobs: Iterable[Job]) -> Iterator[tuple[str, Trajectory | SampleError]]:
        keys: dict[int, str] = {}
        without_picture: dict[str, SampleError] = {}

        def requests() -> Iterator[tuple[int, ImageRequest]]:
            for number, job in enumerate(jobs):
                try:
                    picture = None if job.picture is None else read_picture(job.picture)
                except SampleError as error:
                    without_picture[job.key] = error
                    continue
                keys[number] = job.key
                yield number, ImageRequest(job.prompt, job.seed, picture)

        with closed(self._model.generate(requests())) as drawn:
            for number, outcome in drawn:
                yield keys.pop(number), outcome if isinstance(outcome, SampleError) else self._trajectory(outcome)
        yield from without_picture.items()

    def _trajectory(self, step: Step) -> Trajectory | SampleError:
        try:
            return made_here(plain_trajectory(Trajectory((step,)), self._name))
        except (SampleError, NotFiniteError) as error:
            return SampleError(str(error))


class RemoteWorker:
    """The thread that serves one queue with a service.

    Attributes:
        error: What ended the thread before the queue was empty; it is set when ``queue`` is stopped.
    """

    def __init__(self, work: RemoteWork, queue: Queue, finish_job: FinishJob, on_end: OnEnd) -> None:
        self.queue = queue
        self.error: BaseException | None = None
        self._work, self._finish_job, self._on_end = work, finish_job, on_end
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=queue.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Wait until the thread has ended."""
        while self._thread.is_alive():
            self._thread.join(POLL)

    def end(self) -> None:
        """Send no more requests. A reply that takes longer than :data:`PATIENCE` is not waited for."""
        self._ending.set()
        self.queue.stop()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            self.queue.worker_spec.check()
            self._work.recall()
            while not self.queue.finished and not self._ending.is_set():
                if self.queue.waiting:
                    self._work_off()
                else:
                    self.queue.wait(POLL)
        except BaseException as error:  # noqa: BLE001 - the engine raises it again in the main thread
            self.error = error
        finally:
            self.queue.stop()
            self._on_end(self)

    def _work_off(self) -> None:
        """Do all jobs that can be taken. Each outcome is written as it arrives: it may have cost money."""
        in_hand: dict[str, Any] = {}
        try:
            with closed(self._work.outcomes(self._take_jobs(in_hand))) as outcomes:
                for key, outcome in outcomes:
                    if self._ending.is_set():
                        return
                    self._finish_job(self.queue, in_hand.pop(key), outcome)
        finally:
            self.queue.put_back(list(in_hand.values()))

    def _take_jobs(self, in_hand: dict[str, Any]) -> Iterator[Any]:
        while not self._ending.is_set() and (jobs := self.queue.take()):
            for job in jobs:
                in_hand[job.key] = job
                yield job
