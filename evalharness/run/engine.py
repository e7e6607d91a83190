"""Drives the jobs of a plan through an executor into the store. A sample is scored as soon as its image exists.

Only what is missing is worked on, so that to continue is to run again. Workers return results, this process writes
them.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from evalharness._util.hashing import canonical, digest
from evalharness._util.progress import Progress, Stage
from evalharness._util.text import one_line
from evalharness.api.benchmark import HasRescoring, JudgeScorer, Scorer
from evalharness.api.executor import Executor, Failure, WorkerState, isolate
from evalharness.api.model import RemoteImageModel
from evalharness.errors import BudgetError, EndpointError, SampleError, StoreError
from evalharness.plan.plan import Job, Plan, Sample
from evalharness.run.costs import expected_seconds
from evalharness.run.queues import DrawQueue, PendingScore, ScoreQueue
from evalharness.run.remote import RemoteJudge, RemoteModel, RemoteWorker
from evalharness.run.workers import JudgedScore, PluginWorkerSpec, PromptCheck
from evalharness.store.states import SampleState, failed_keys, rescore_states, sample_states, sample_states_in_parts
from evalharness.store.store import Store
from evalharness.types.score import Score
from evalharness.types.trajectory import Trajectory

PASSES = 3
"""A disk that damages what was just written is given up after as many passes."""
CONSULTED = 8
"""So many images are given to a judge at a time where it computes its answers itself."""
Queues = list[DrawQueue | ScoreQueue]


@dataclass
class Engine:
    """Runs a plan. ``stops``: the models and benchmarks whose work a budget ended, each with the reason; without
    ``scoring`` images are drawn and not looked at."""

    plan: Plan
    store: Store
    executor: Executor
    progress: Progress
    scoring: bool = True
    stops: dict[str, str] = field(default_factory=dict)
    queues: Queues = field(default_factory=list)
    """Those of the present pass."""
    stages: dict[str, Stage] = field(default_factory=dict)

    def run(self, *, retry_failed: bool = False) -> int:
        """Draw and score what is missing; returns the number of trajectories and scores that were worked on.

        What failed is tried again only if ``retry_failed``, once; until that succeeds its failure stands.
        """
        retry = failed_keys(self.plan, self.store) if retry_failed else set()
        self._drop_damaged()
        worked = 0
        for _ in range(PASSES):
            current = _Pass(self, retry)
            worked += current.run()
            if not current.damaged:
                return worked
            self._drop(current.damaged)
            retry = set()
        raise StoreError(f"{self.store.path}: images are damaged again and again; check the disk")

    def look(self) -> tuple[dict[str, Stage], list[str], list[WorkerState]]:
        """For those who watch, from another thread: stages, the keys of what is in hand, workers."""
        with self.store.lock:
            in_hand = [key for queue in self.queues for key in queue.in_hand]
            return dict(self.stages), in_hand, self.executor.workers()

    def _drop_damaged(self) -> None:
        self._drop(self.store.check_images(self.store.images_of(self.plan.jobs)))

    def _drop(self, damaged: Collection[str]) -> None:
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


class _Pass:
    """One go over all that is missing. What comes of a batch is written in one commit; then what follows from it is
    looked up in the store, as it is for what was there from the start."""

    def __init__(self, engine: Engine, retry: Collection[str]) -> None:
        self.plan, self.store, self.progress = engine.plan, engine.store, engine.progress
        self.engine, self.retry = engine, retry
        self.draws: dict[str, DrawQueue] = {}
        self.scores: dict[tuple[str, str], ScoreQueue] = {}
        self.remote_workers: list[RemoteWorker] = []
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        """Those that a trajectory to be drawn is for, by its key."""
        self.watched: dict[str, list[Sample]] = defaultdict(list)
        """Those whose score will be checked, by its key."""
        self.undrawn: Counter[str] = Counter()
        """Samples of each benchmark that have no image yet."""
        self.stages = engine.stages = {}
        self.warned: set[str] = set()

    @property
    def damaged(self) -> set[str]:
        return {image for queue in self.scores.values() for image in queue.damaged}

    def run(self) -> int:
        self._make_score_queues()
        jobs = self._survey()
        with self.progress.stages() as stage:
            self._make_draw_queues(jobs)
            queues: Queues = [*self.draws.values(), *self.scores.values()]
            self.engine.queues = queues
            for queue in queues:
                if queue.stage not in self.stages and (queue.stage == "draw" or jobs or queue.waiting):
                    self.stages[queue.stage] = stage(queue.stage, 0)
            self._resize()
            self._refuse(jobs)
            own = [queue for queue in queues if not any(queue is one.queue for one in self.remote_workers)]
            try:
                for one in self.remote_workers:
                    one.start()
                self._work(own)
                for one in self.remote_workers:
                    one.wait()
            finally:
                for one in self.remote_workers:
                    one.end()
            self._raise()
        return sum(queue.done for queue in queues)

    # --- what there is to do ---

    def _survey(self) -> dict[str, Job]:
        """What must be drawn; what must be looked at is put into its queues."""
        wanted: set[str] = set()
        for found in sample_states_in_parts(self.plan, self.store):
            for one in found:
                failed = one.steps is None and one.state == "failed" and one.sample.job in self.retry
                if one.state == "pending" or failed:
                    wanted.add(one.sample.job)
            self._follow(found)
        for sample in self.plan.samples:
            if sample.job in wanted:
                self.samples[sample.job].append(sample)
                self.undrawn[sample.benchmark] += 1
        return {key: self.plan.jobs[key] for key in sorted(wanted)}

    def _make_draw_queues(self, jobs: dict[str, Job]) -> None:
        by_model: dict[str, list[Job]] = {alias: [] for alias in self.plan.models}
        for job in jobs.values():
            by_model[job.model].append(job)
        for alias, own in by_model.items():
            if own:
                spec = self.plan.sweep.models[alias]
                model = spec.build()
                cost = expected_seconds(self.plan, self.store, alias, model)
                size = 1 if isinstance(model, RemoteImageModel) else model.batch_size
                queue = self.draws[alias] = DrawQueue(alias, PluginWorkerSpec(spec), self.store.lock, own, size, cost)
                if isinstance(model, RemoteImageModel):
                    work = RemoteModel(model, digest(dict(self.plan.models[alias])), self.store)
                    self.remote_workers.append(RemoteWorker(work, queue, self._keep_one))
        for (_, rescoring), score in self.scores.items():
            if not rescoring:
                score.feeders += self.draws.values()

    def _make_score_queues(self) -> None:
        if not self.engine.scoring:
            return
        found: list[tuple[str, str, Scorer | JudgeScorer]] = []
        for name, planned in self.plan.benchmarks.items():
            found.append((name, "", planned.benchmark.scorer()))
        for name, planned in self.plan.benchmarks.items():
            rescorings = planned.benchmark.rescorings() if isinstance(planned.benchmark, HasRescoring) else ()
            found += [(name, rescoring.name, rescoring.scorer) for rescoring in rescorings]
        specs = {spec.plugin.name: spec.plugin for spec in self.plan.sweep.benchmarks}
        for name, rescoring, scorer in found:
            judged = isinstance(scorer, JudgeScorer)
            size = CONSULTED if isinstance(scorer, JudgeScorer) else scorer.batch_size
            worker_spec = PluginWorkerSpec(specs[name], rescoring or None)
            queue = ScoreQueue(
                name, worker_spec, self.store.lock, self.store, size, rescoring=rescoring, with_replies=judged
            )
            if rescoring:
                queue.feeders.append(self.scores[name, ""])
            self.scores[name, rescoring] = queue
            if isinstance(scorer, JudgeScorer) and not getattr(scorer, "in_process", False):
                self.remote_workers.append(RemoteWorker(RemoteJudge(scorer, self.store), queue, self._keep_one))

    def _follow(self, found: Iterable[SampleState]) -> None:
        """What these samples want next: a score, or a rescoring of what they have."""
        if not self.engine.scoring:
            return
        found = list(found)
        for one in found:
            if one.score is None and one.score_key is not None and one.image is not None:
                name, again = one.sample.benchmark, one.score_key in self.retry
                if one.failure is None or again:
                    self.scores[name, ""].add(one.score_key, PendingScore(one.image, one.sample.item, again))
                if self.plan.benchmarks[name].rescorings:
                    self.watched[one.score_key].append(one.sample)
        for up in rescore_states(self.plan, self.store, found):
            again = up.key in self.retry
            if up.score is None and (up.failure is None or again):
                sample, image = up.sample_state.sample, up.sample_state.image
                assert image is not None
                self.scores[sample.benchmark, up.rescoring.name].add(up.key, PendingScore(image, sample.item, again))

    # --- doing it ---

    def _refuse(self, jobs: dict[str, Job]) -> None:
        """Fail the jobs whose prompts their model cannot take, before anything is loaded."""
        for alias, queue in self.draws.items():
            check = PromptCheck(self.plan.sweep.models[alias].build())
            outcomes = [(job, isolate(check, [job])[0]) for job in jobs.values() if job.model == alias]
            refused = [(job, one) for job, one in outcomes if isinstance(one, Failure)]
            with _undisturbed(), self.store.batch():
                for job, failure in refused:
                    self.store.add_failure(job.key, failure.reason)
            queue.drop({job.key for job, _ in refused})
            self._drawn([job for job, _ in refused])
            self._advance(queue, len(refused), len(refused))

    def _work(self, queues: Queues) -> None:
        for queue, jobs, outcomes in self.engine.executor.run(queues):
            if isinstance(outcomes, BudgetError):
                queue.put_back(jobs)
                queue.stop()
                self.engine.stops[queue.subject] = str(outcomes)
                continue
            failed = sum(isinstance(one, Failure) for one in outcomes)
            with _undisturbed(), self.store.batch():
                drawn = (step for one in outcomes if isinstance(one, Trajectory) for step in one.steps)
                self.store.add_images(step.image for step in drawn if step.image is not None)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    self._keep(queue, job, outcome)
            with self.store.lock:
                self._next(queue, jobs)
                queue.settle(jobs, failed)
            self._advance(queue, len(jobs), failed)
            self._raise(only_now=True)

    def _keep(self, queue: Any, job: Any, outcome: Any) -> None:
        if isinstance(outcome, JudgedScore):
            for one in outcome.said:
                about = (one.question, one.judge, one.image, one.rubric, one.repeat)
                self.store.replies.put(one.key, about, one.reply)
            outcome = outcome.outcome
        if isinstance(outcome, Failure):
            self.store.add_failure(job.key, outcome.reason)
        elif isinstance(outcome, Trajectory):
            self.store.add_trajectory(
                job.key,
                outcome,
                model=digest(dict(self.plan.models[job.model])),
                variant=canonical(job.variant.key()),
                prompt=job.prompt,
                seed=job.seed,
                cap=job.cap,
            )
            queue.measure(job, outcome)
        else:
            self.store.add_score(job.key, job.digest, outcome)

    def _keep_one(self, queue: DrawQueue | ScoreQueue, job: Any, outcome: Score | Trajectory | SampleError) -> None:
        """From the thread of an remote worker."""
        failure = Failure(one_line(str(outcome))) if isinstance(outcome, SampleError) else None
        with self.store.lock:
            with self.store.batch():
                self._keep(queue, job, failure or outcome)
            self._next(queue, [job])
            queue.settle([job], int(failure is not None))
            self._advance(queue, 1, int(failure is not None))

    def _next(self, queue: DrawQueue | ScoreQueue, jobs: Sequence[Any]) -> None:
        if isinstance(queue, DrawQueue):
            self._follow(self._drawn(jobs))
        elif watched := [sample for job in jobs for sample in self.watched.pop(job.key, ())]:
            self._follow(sample_states(self.plan, self.store, watched))

    def _drawn(self, jobs: Sequence[Job]) -> list[SampleState]:
        samples = [sample for job in jobs for sample in self.samples.pop(job.key, ())]
        self.undrawn.subtract(sample.benchmark for sample in samples)
        return sample_states(self.plan, self.store, samples)

    def _advance(self, queue: DrawQueue | ScoreQueue, done: int, failed: int) -> None:
        with self.store.lock:
            self._resize()
            if done:
                self.stages[queue.stage].advance(done, failed)

    def _resize(self) -> None:
        """A stage is as large as what is known of it by now, and the scores that undrawn samples will want."""
        for title, stage in self.stages.items():
            known = sum(queue.total for queue in self.engine.queues if queue.stage == title)
            stage.resize(known + (self.undrawn.total() if title == "score" else 0))

    def _raise(self, *, only_now: bool = False) -> None:
        """What ended an remote worker. A judge or model that will not work ends the run once all else is done."""
        for one in self.remote_workers:
            error = one.error
            if isinstance(error, BudgetError):
                self.engine.stops[one.queue.subject] = str(error)
            elif isinstance(error, EndpointError) and only_now:
                # Said only where something does go on: what ends a run is one line.
                goes_on = one.queue.stopped and not all(queue.finished for queue in self.engine.queues)
                if goes_on and one.queue.name not in self.warned:
                    self.warned.add(one.queue.name)
                    self.progress.say(f"warning: {error}; all else goes on")
            elif error is not None:
                raise error


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
