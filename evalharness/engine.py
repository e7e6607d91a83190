"""Drives the jobs of a plan through an executor into the store: first all drawing, then all scoring.

Only what is missing is worked on, so that to continue is to run again. Workers return results, this process writes
them.
"""

from __future__ import annotations

import contextlib
import io
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from PIL import Image

from evalharness import variants
from evalharness.benchmark import Checked, Item, Panel, Score, Scorer, Submission
from evalharness.errors import BudgetError, SampleError, StoreError
from evalharness.executors.base import Executor, Failure, Worker, isolate, one_line
from evalharness.judges.base import Budgeted
from evalharness.models.base import Fetcher, Order, Service
from evalharness.plan import Job, Plan
from evalharness.progress import Progress
from evalharness.seeds import canonical, digest
from evalharness.status import checkups, failed_keys, pending_jobs, standings
from evalharness.store import DamagedImageError, Store
from evalharness.trajectory import Step, Trajectory

J = TypeVar("J")
K = TypeVar("K", Job, "ScoreJob")
R = TypeVar("R")
Advance = Callable[[int, int], None]
PASSES = 3
"""A disk that damages what was just written is given up after as many passes."""


@dataclass(frozen=True)
class Generate:
    """A worker that makes trajectories with one model and one variant."""

    model: Any
    variant: variants.VariantSettings

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        prompts, seeds = [job.prompt for job in jobs], [job.seed for job in jobs]
        return variants.run(self.variant, self.model, prompts, seeds, [job.picture for job in jobs])


@dataclass(frozen=True)
class Fetch:
    """A worker that takes images which exist already; it stands where :class:`Generate` would."""

    model: Fetcher

    def __call__(self, jobs: Sequence[Job], /) -> list[Trajectory]:
        images = self.model.fetch([job.source for job in jobs if job.source is not None])
        return [Trajectory((Step("draw", image=image),)) for image in images]


@dataclass(frozen=True)
class Check:
    """A worker that asks a model whether it can take the prompts."""

    model: Any

    def __call__(self, jobs: Sequence[Job], /) -> list[None]:
        for job in jobs:
            self.model.check(job.prompt)
        return [None] * len(jobs)


@dataclass(frozen=True, slots=True)
class Todo:
    """An image that must be looked at, by its digest. ``retry``: that failed before."""

    image: str
    item: Item
    retry: bool = False


Work = tuple[str, Scorer | Panel, Mapping[str, Todo]]


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """One image to look at: a PNG file's bytes and their digest."""

    key: str
    digest: str
    image: bytes
    item: Item
    retry: bool = False


@dataclass(frozen=True)
class Look:
    """A worker that scores images."""

    scorer: Scorer

    def __call__(self, jobs: Sequence[ScoreJob], /) -> list[Score]:
        scores = self.scorer.score([_decode(job.image) for job in jobs], [job.item for job in jobs])
        for score in scores:
            if not 0 <= score.value <= 1:
                raise ValueError(f"the scorer said {score.value}, which is not in 0..1")
            canonical(dict(score.details))
        return scores


def _decode(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise SampleError(f"the image cannot be read: {error}") from error


@dataclass(frozen=True)
class Engine:
    """Runs a plan. ``stops``: the models and benchmarks whose work a budget ended, each with the reason."""

    plan: Plan
    store: Store
    executor: Executor
    progress: Progress
    stops: dict[str, str] = field(default_factory=dict)

    def run(self, *, retry_failed: bool = False) -> int:
        """Draw and score what is missing; returns the number of trajectories and scores that were worked on.

        What failed is tried again only if ``retry_failed``, once; until that succeeds its failure stands.
        """
        retry = failed_keys(self.plan, self.store) if retry_failed else set()
        self._drop_damaged()
        worked = 0
        for _ in range(PASSES):
            worked += self._generate(retry)
            scored, damaged = self._score(retry)
            worked += scored
            if not damaged:
                return worked
            self._drop(damaged)
            retry = set()
        raise StoreError(f"{self.store.path}: images are damaged again and again; check the disk")

    # --- drawing ---

    def _generate(self, retry: Collection[str]) -> int:
        jobs = pending_jobs(self.plan, standings(self.plan, self.store), retry)
        by_model: dict[str, list[Job]] = {alias: [] for alias in self.plan.models}
        for job in jobs:
            by_model[job.model].append(job)
        with self.progress.stage("draw", len(jobs)) as stage:
            for alias, own in by_model.items():
                if own:
                    self._generate_with(alias, own, stage.advance)
        return len(jobs)

    def _generate_with(self, alias: str, jobs: list[Job], advance: Advance) -> None:
        """All jobs of one model, which is let go of afterwards."""
        model = self.plan.sweep.models[alias].build()
        identity = digest(dict(self.plan.models[alias]))
        groups: dict[variants.VariantSettings, list[Job]] = defaultdict(list)
        for job in self._checked(model, jobs, advance):
            groups[job.variant].append(job)

        def keep(job: Job, trajectory: Trajectory) -> None:
            name = canonical(job.variant.key())
            self.store.add_trajectory(
                job.key, trajectory, model=identity, variant=name, prompt=job.prompt, seed=job.seed, cap=job.cap
            )

        for variant, own in groups.items():
            if isinstance(model, Service):
                model.recall(self.store.spent(identity))
                self._commission(alias, model, own, keep, advance)
                continue
            worker = Fetch(model) if isinstance(model, Fetcher) else Generate(model, variant)
            self._run(worker, _batches(own, model.batch_size), keep, advance)

    def _commission(
        self, alias: str, model: Service, jobs: list[Job], keep: Callable[[Job, Trajectory], None], advance: Advance
    ) -> None:
        """Each image is written as it comes, as it may have cost money. What a spent budget leaves stays pending."""
        orders = ((number, Order(job.prompt, job.seed)) for number, job in enumerate(jobs))
        try:
            with _closed(model.commission(orders)) as delivered:
                for number, outcome in delivered:
                    with _undisturbed(), self.store.batch():
                        if isinstance(outcome, SampleError):
                            self.store.add_failure(jobs[number].key, one_line(str(outcome)))
                        else:
                            keep(jobs[number], Trajectory((outcome,)))
                    advance(1, int(isinstance(outcome, SampleError)))
        except BudgetError as spent:
            self.stops[alias] = str(spent)

    def _checked(self, model: Any, jobs: list[Job], advance: Advance) -> list[Job]:
        """The jobs whose prompts the model can take; the others fail."""
        check = Check(model)
        outcomes = [(job, isolate(check, [job])[0]) for job in jobs]
        refused = [(job, one) for job, one in outcomes if isinstance(one, Failure)]
        with _undisturbed(), self.store.batch():
            for job, failure in refused:
                self.store.add_failure(job.key, failure.reason)
        advance(len(refused), len(refused))
        return [job for job, one in outcomes if one is None]

    # --- scoring ---

    def _score(self, retry: Collection[str]) -> tuple[int, set[str]]:
        """First the scores, then their checks; the number of images to look at, and the damaged ones among them."""
        damaged: set[str] = set()
        total = 0
        for title, all_todo in (("score", self._unscored), ("check", self._unchecked)):
            found = all_todo(retry)
            count = sum(len(todo) for _, _, todo in found)
            with self.progress.stage(title, count) as stage:
                for name, scorer, todo in found:
                    try:
                        self._look(scorer, self._read(todo, damaged), stage.advance)
                    except BudgetError as spent:
                        self.stops[name] = str(spent)
            total += count
        return total, damaged

    def _unscored(self, retry: Collection[str]) -> list[Work]:
        """Each benchmark's scorer with what it must look at, by the key of the score."""
        todo: dict[str, dict[str, Todo]] = {name: {} for name in self.plan.protocols}
        for one in standings(self.plan, self.store):
            if one.score is None and one.score_key is not None and one.image is not None:
                again = one.score_key in retry
                if one.failure is None or again:
                    todo[one.sample.benchmark][one.score_key] = Todo(one.image, one.sample.item, again)
        return [(name, self.plan.protocols[name].benchmark.scorer(), own) for name, own in todo.items() if own]

    def _unchecked(self, retry: Collection[str]) -> list[Work]:
        todo: dict[tuple[str, str], dict[str, Todo]] = defaultdict(dict)
        for one in checkups(self.plan, self.store, standings(self.plan, self.store)):
            again = one.key in retry
            if one.score is None and (one.failure is None or again):
                sample, image = one.standing.sample, one.standing.image
                assert image is not None
                todo[sample.benchmark, one.check.name][one.key] = Todo(image, sample.item, again)
        found: list[Work] = []
        for name, protocol in self.plan.protocols.items():
            checks = protocol.benchmark.checks() if isinstance(protocol.benchmark, Checked) else ()
            found += [(name, check.scorer, own) for check in checks if (own := todo.get((name, check.name)))]
        return found

    def _look(self, scorer: Scorer | Panel, jobs: Iterable[ScoreJob], advance: Advance) -> None:
        if isinstance(scorer, Panel):
            self._ask(scorer, jobs, advance)
        else:
            self._run(Look(scorer), _batches(jobs, scorer.batch_size), self._keep_score, advance)

    def _ask(self, panel: Panel, jobs: Iterable[ScoreJob], advance: Advance) -> None:
        """Each score is written as it comes: a judge's reply may have cost money."""
        for judge in getattr(panel, "judges", ()):
            if isinstance(judge, Budgeted):
                judge.recall(self.store.replies.spent(digest(dict(judge.identity()))))
        submissions = (Submission(job.key, job.item, job.image, job.digest, job.retry) for job in jobs)
        with _closed(panel.judge(submissions, self.store.replies)) as judged:
            for submission, outcome in judged:
                with _undisturbed(), self.store.batch():
                    if isinstance(outcome, SampleError):
                        self.store.add_failure(submission.key, one_line(str(outcome)))
                    else:
                        self.store.add_score(submission.key, submission.digest, outcome)
                advance(1, int(isinstance(outcome, SampleError)))

    def _keep_score(self, job: ScoreJob, score: Score) -> None:
        self.store.add_score(job.key, job.digest, score)

    def _read(self, todo: Mapping[str, Todo], damaged: set[str]) -> Iterator[ScoreJob]:
        for key in sorted(todo):
            one = todo[key]
            try:
                yield ScoreJob(key, one.image, self.store.image(one.image), one.item, one.retry)
            except DamagedImageError:
                damaged.add(one.image)

    # --- both ---

    def _run(
        self, worker: Worker[K, R], batches: Iterable[Sequence[K]], keep: Callable[[K, R], None], advance: Advance
    ) -> None:
        """Run the batches; what comes of each is written in one commit, before the next is waited for."""
        for batch, outcomes in self.executor.run(worker, batches):
            with _undisturbed(), self.store.batch():
                for job, outcome in zip(batch, outcomes, strict=True):
                    if isinstance(outcome, Failure):
                        self.store.add_failure(job.key, outcome.reason)
                    else:
                        keep(job, outcome)
            advance(len(batch), sum(isinstance(one, Failure) for one in outcomes))

    def _drop_damaged(self) -> None:
        stored = self.store.trajectories(self.plan.jobs)
        self._drop(self.store.check_images(_images(stored)))

    def _drop(self, damaged: set[str]) -> None:
        """Forget the trajectories with a damaged image, so that they are drawn again."""
        if not damaged:
            return
        stored = self.store.trajectories(self.plan.jobs)
        keys = [key for key, one in stored.items() if any(step.image in damaged for step in one.steps)]
        self.progress.say(
            f"warning: {len(damaged)} images in {self.store.path} are damaged or gone; "
            f"{len(keys)} trajectories are drawn again"
        )
        self.store.forget_trajectories(keys)


def _images(stored: dict[str, Any]) -> set[str]:
    return {step.image for one in stored.values() for step in one.steps if step.image is not None}


def _batches(jobs: Iterable[J], size: int) -> Iterator[Sequence[J]]:
    batch: list[J] = []
    for job in jobs:
        batch.append(job)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextlib.contextmanager
def _closed(iterator: Iterator[J]) -> Iterator[Iterator[J]]:
    """A generator that ends with the block, however that ends: what it holds open does not wait for a collector."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C and a polite kill back until what is done is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[tuple[int, FrameType | None]] = []
    held = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *signalled: caught.append(signalled)) for number in held}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    for number, frame in caught[:1]:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        else:
            signal.raise_signal(number)
