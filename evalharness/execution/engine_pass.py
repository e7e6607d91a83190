"""One pass of the engine over all work that is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from evalharness._util.progress import Progress
from evalharness.api.executor import Executor, isolate
from evalharness.api.failure import Failure, failure_of
from evalharness.errors import BudgetError, ConfigError, SampleError
from evalharness.execution.canary import Canary
from evalharness.execution.disk_forecast import require_space
from evalharness.execution.draw_queue import DrawQueue
from evalharness.execution.failure_limits import failure_in
from evalharness.execution.outcomes import write_images, write_outcome
from evalharness.execution.parts import Parts
from evalharness.execution.queue_setup import draw_queues, intermediate_queue, score_queues
from evalharness.execution.queues import Queue
from evalharness.execution.remote import RemoteWork, RemoteWorker
from evalharness.execution.remote_workers import RemoteWorkers
from evalharness.execution.score_queue import PendingScore, ScoreQueue
from evalharness.execution.shared_drawings import SharedDrawings
from evalharness.execution.signals import deferred_signals
from evalharness.execution.stage_progress import StageProgress
from evalharness.execution.workers import PromptCheck
from evalharness.planning.plan import Job, Plan, Sample
from evalharness.store.failures import StoredFailure
from evalharness.store.states import (
    SampleState,
    pending_jobs,
    rescore_states,
    sample_states,
    sample_states_in_parts,
)
from evalharness.store.store import Store
from evalharness.types.score import Score
from evalharness.types.trajectory import Trajectory


class ScoreSearch(Protocol):
    """A search among the images of trajectories that needs the scores of some which no sample ends in."""

    @property
    def benchmark(self) -> str:
        """The name of the benchmark whose scorer is to score them."""
        ...

    def missing_scores(self) -> Mapping[str, PendingScore]:
        """Go on as far as the scores in the store allow; return those that are needed next, by key, none at the end."""
        ...


class EnginePass:
    """Does all work that was missing when the pass began, and what follows from it.

    The results of a batch are written in one commit. What can be done next is then looked up in the store, in the same
    way as for what was there from the start.

    The first samples of each arm go through all stages before the others are begun, see :class:`Canary`.

    Attributes:
        canary: The first samples; ``None`` if all are begun at once.
        stopping: Whether no more work is begun.
        progress: How far it is; its queues are in the order in which an executor without parallelism empties them.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        executor: Executor,
        terminal: Progress,
        retry: AbstractSet[str],
        stops: dict[str, str],
        parts: Parts,
    ) -> None:
        self.plan, self.store, self.executor, self.terminal = plan, store, executor, terminal
        self.retry, self.stops, self.parts = retry, stops, parts
        self._refused = retry - store.failures.to_retry()
        """Keys of samples that failed by their own fault, and are tried once more."""
        self.canary = None if parts.check == "none" else Canary(plan, store, parts.scoring)
        self.stopping = False
        self.progress = StageProgress()
        self._draws: dict[str, DrawQueue] = {}
        self._scores: dict[tuple[str, str], ScoreQueue] = {}
        self._remote_workers = RemoteWorkers(stops, terminal, self._nothing_left)
        self._undrawn: dict[str, list[Sample]] = defaultdict(list)
        """The samples that wait for a trajectory, by its key."""
        self._unscored: dict[str, list[Sample]] = defaultdict(list)
        """The samples that will be rescored once they have their score, by its key."""
        self._searches: dict[str, list[ScoreSearch]] = defaultdict(list)
        self._shared = SharedDrawings(plan)
        self._jobs: dict[str, Job] = {}
        """The jobs that are missing, by key."""
        self._to_draw: dict[str, Job] = {}
        """Those of them that are not contained in others."""
        self._check_space = False

    @property
    def damaged(self) -> set[str]:
        """Digests of the images that could not be read."""
        return {image for queue in self.progress.queues if isinstance(queue, ScoreQueue) for image in queue.damaged}

    def prepare(self, *, check_space: bool = False) -> None:
        """Look up what is missing, and fill the queues.

        Args:
            check_space: Whether to check that the images to draw fit on the disk, now and, since the first samples
                tell more of their size, after these.

        Raises:
            ConfigError: They do not fit.
        """
        self._make_score_queues()
        self._jobs = self._find_missing()
        self._to_draw = self._shared.largest(self._jobs)
        self._check_space = check_space and self.parts.check != "only"
        self._require_space()
        self._make_draw_queues(self._to_draw)
        self.progress.queues += [*self._draws.values(), *self._scores.values()]

    def run(self) -> None:
        """Draw and score all samples that :meth:`prepare` found."""
        jobs = self._jobs
        with self.terminal.stages() as open_stage:
            for queue in self.progress.queues:
                if isinstance(queue, DrawQueue) or not queue.finished:
                    self.progress.open(queue, open_stage)
            self._fail_refused_prompts(jobs)
            self._hold_all_but_first()
            self._work_all()

    def stop(self) -> None:
        """Begin no more work; what is in hand is finished."""
        with self.store.lock:
            self.stopping = True
            for queue in self.progress.queues:
                queue.stop()

    def score_intermediate(self, searches: Iterable[ScoreSearch]) -> None:
        """Score the images that searches ask for, until these come to their ends."""
        for search in searches:
            self._searches[search.benchmark].append(search)
        queues = [intermediate_queue(self.plan, self.store, benchmark) for benchmark in self._searches]
        for queue in queues:
            self._advance_searches(queue)
        queues = [queue for queue in queues if queue.waiting]
        if not queues:
            return
        with self.store.lock:
            self.progress.queues += queues
        with self.terminal.stages() as open_stage:
            for queue in queues:
                self.progress.open(queue, open_stage)
            self._work(queues)

    # --- what there is to do ---

    def _make_score_queues(self) -> None:
        for queue, remote in score_queues(self.plan, self.store) if self.parts.scoring else ():
            if queue.rescoring:
                queue.feeders.append(self._scores[queue.subject, ""])
            self._scores[queue.subject, queue.rescoring] = queue
            self._prepare_queue(queue, remote)

    def _make_draw_queues(self, jobs: Mapping[str, Job]) -> None:
        for queue, remote in draw_queues(self.plan, self.store, jobs.values()):
            self._draws[queue.subject] = queue
            self._prepare_queue(queue, remote)
        for score_queue in self._scores.values():
            if not score_queue.rescoring:
                score_queue.feeders += self._draws.values()

    def _prepare_queue(self, queue: Queue, remote: RemoteWork | None) -> None:
        """Set when a queue is given up, and make its remote worker, if it has one."""
        queue.limit_failures(self.plan.sweep.failures, self._refused)
        if remote is not None:
            self._remote_workers.add(RemoteWorker(remote, queue, self._finish_remote_job, self._note_remote_end))

    def _find_missing(self) -> dict[str, Job]:
        """Return the jobs to be drawn, by key. What is to be scored is put into its queues."""
        missing: set[str] = set()
        for states in sample_states_in_parts(self.plan, self.store):
            if self.parts.drawing:
                missing.update(job.key for job in pending_jobs(self.plan, states, self.retry))
            self._queue_scores(states, self.canary)
        for sample in self.plan.samples:
            if sample.job in missing:
                self._undrawn[sample.job].append(sample)
                self.progress.undrawn += 1
        return {key: self.plan.jobs[key] for key in sorted(missing)}

    def _queue_scores(self, states: Sequence[SampleState], canary: Canary | None = None) -> None:
        """Put what these samples need next into its queue: a score, or a rescoring of the one that they have."""
        if not self.parts.scoring:
            return
        for state in states:
            benchmark, key = state.sample.benchmark, state.score_key
            if state.score is None and key is not None and state.image is not None:
                queued = self._queue_score(self._scores[benchmark, ""], key, state, state.failure)
                if canary is not None and queued:
                    canary.add(state.sample, key, drawn=True)
                if self.plan.benchmarks[benchmark].rescorings:
                    self._unscored[key].append(state.sample)
        for rescore in rescore_states(self.plan, self.store, states):
            if rescore.score is None:
                queue = self._scores[rescore.sample_state.sample.benchmark, rescore.rescoring.name]
                self._queue_score(queue, rescore.key, rescore.sample_state, rescore.failure)

    def _queue_score(self, queue: ScoreQueue, key: str, state: SampleState, failure: StoredFailure | None) -> bool:
        """Put a score into its queue, unless it failed before and is not to be tried again; returns whether it is."""
        retry = key in self.retry
        if state.image is None or (failure is not None and not retry):
            return False
        queue.add(key, PendingScore(state.image, state.sample.item, retry))
        return True

    def _advance_searches(self, queue: ScoreQueue) -> None:
        for search in self._searches[queue.subject]:
            for key, pending in search.missing_scores().items():
                queue.add(key, pending)

    def _require_space(self) -> None:
        """Check that the images of what is not drawn yet fit on the disk, if that is to be checked."""
        if self._check_space:
            require_space(self.plan, self.store, [job for key, job in self._to_draw.items() if key in self._undrawn])

    # --- first samples first ---

    def _hold_all_but_first(self) -> None:
        if self.canary is None:
            return
        for key, samples in self._undrawn.items():
            for sample in samples:
                self.canary.add(sample, key, drawn=False)
        keys = self.canary.first_keys()
        with self.store.lock:
            for queue in self.progress.queues:
                queue.hold(keys)
            self._begin_next()

    def _begin_next(self) -> None:
        """Once nothing is in hand, let the next of the first samples begin, and after the last of them all others."""
        canary, queues = self.canary, self.progress.queues
        while canary is not None and not canary.ended and not self.stopping and all(queue.idle for queue in queues):
            keys = canary.next_keys(self.stops)
            for queue in queues:
                queue.admit(keys)
            if canary.ended:
                self._end_canary(canary)

    def _end_canary(self, canary: Canary) -> None:
        if self.parts.check == "only":
            self.stop()
            return
        if all(queue.held == 0 for queue in self.progress.queues):
            return
        try:
            self._require_space()
        except ConfigError:
            self.stop()  # what is held must not keep the queues open
            raise
        for checked in canary.outcomes():
            if checked.reasons:
                self.terminal.say(f"warning: {checked.line}")
        for queue in self.progress.queues:
            queue.admit()

    # --- doing it ---

    def _fail_refused_prompts(self, jobs: Mapping[str, Job]) -> None:
        """Fail the jobs whose prompts their model cannot take, before any weights are loaded."""
        for alias, queue in self._draws.items():
            check = PromptCheck(self.plan.sweep.models[alias].build())
            outcomes = [(job, isolate(check, [job])[0]) for job in jobs.values() if job.model == alias]
            refused = [(job, outcome) for job, outcome in outcomes if isinstance(outcome, Failure)]
            with deferred_signals(), self.store.batch():
                for job, failure in refused:
                    self.store.failures.add(job.key, failure)
            queue.drop({job.key for job, _ in refused})
            self._pop_undrawn([job for job, _ in refused])
            self._show_progress(queue, len(refused), len(refused))

    def _work_all(self) -> None:
        try:
            self._remote_workers.start()
            self._work([queue for queue in self.progress.queues if queue not in self._remote_workers.queues])
            self._remote_workers.wait()
        except BaseException:
            self.stopping = True  # what the remote workers still finish must not begin anything
            raise
        finally:
            self._remote_workers.end()
        self._remote_workers.check(running=False)

    def _work(self, queues: Sequence[Queue]) -> None:
        if self.stopping:
            self.stop()
        for queue, jobs, outcomes in self.executor.run(queues):
            if isinstance(outcomes, BudgetError):
                queue.put_back(jobs)
                queue.stop()
                self.stops[queue.subject] = str(outcomes)
                with self.store.lock:
                    self._begin_next()
                continue
            if isinstance(queue, DrawQueue):
                jobs, outcomes = self._shared.finish(queue, jobs, outcomes)
            failed = sum(failure_in(outcome) is not None for outcome in outcomes)
            with deferred_signals(), self.store.batch():
                write_images(self.store, outcomes)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    self._write(queue, job, outcome)
            with self.store.lock:
                self._settle(queue, jobs, failed)
                self._heed_limits(queue)
            self._show_progress(queue, len(jobs), failed)
            self._remote_workers.check(running=True)
        for queue in queues:
            self._heed_limits(queue)

    def _finish_remote_job(self, queue: Queue, job: Any, outcome: Score | Trajectory | SampleError) -> None:
        """Write one outcome; called from a remote worker's thread."""
        failure = failure_of(outcome) if isinstance(outcome, SampleError) else None
        queue.note([job], [failure or outcome])
        with self.store.lock:
            with self.store.batch():
                self._write(queue, job, failure or outcome)
            self._settle(queue, [job], int(failure is not None))
            self._heed_limits(queue)
            self._show_progress(queue, 1, int(failure is not None))

    def _heed_limits(self, queue: Queue) -> None:
        """Report that a queue was given up. Its first failures are no samples' faults: the same command tries again."""
        if not queue.stop_reason:
            return
        self.stops[queue.subject] = queue.stop_reason
        with self.store.batch():
            self.store.failures.relabel(queue.first_failures.keys, "configuration")

    def _write(self, queue: Queue, job: Any, outcome: Any) -> None:
        write_outcome(self.plan, self.store, job, outcome)
        if isinstance(queue, DrawQueue) and isinstance(outcome, Trajectory):
            queue.measure(job, outcome)

    def _settle(self, queue: Queue, jobs: Sequence[Any], failed: int) -> None:
        """Queue what follows from these jobs, then count them as done: in between no queue may seem to be finished."""
        if isinstance(queue, DrawQueue):
            states = sample_states(self.plan, self.store, self._pop_undrawn(jobs))
            self._queue_scores(states)
            self._queue_shorter(queue, states)
        elif queue.intermediate:
            self._advance_searches(queue)
        elif scored := [sample for job in jobs for sample in self._unscored.pop(job.key, ())]:
            self._queue_scores(sample_states(self.plan, self.store, scored))
        queue.settle(jobs, failed)
        self._begin_next()

    def _queue_shorter(self, queue: DrawQueue, states: Sequence[SampleState]) -> None:
        """Queue trajectories again that failed, for arms with a smaller cap than the one they failed with."""
        pending = [state for state in states if state.state == "pending"]
        for state in pending:
            self._undrawn[state.sample.job].append(state.sample)
        self.progress.undrawn += len(pending)
        for job in pending_jobs(self.plan, pending):
            queue.add(job)

    def _pop_undrawn(self, jobs: Sequence[Job]) -> list[Sample]:
        samples = [sample for job in jobs for sample in self._undrawn.pop(job.key, ())]
        self.progress.undrawn -= len(samples)
        return samples

    def _show_progress(self, queue: Queue, done: int, failed: int) -> None:
        with self.store.lock:
            self.progress.advance(queue, done, failed)

    # --- remote workers ---

    def _nothing_left(self) -> bool:
        return self.stopping or all(queue.finished for queue in self.progress.queues)

    def _note_remote_end(self, worker: RemoteWorker) -> None:
        """Go on without a remote worker, but begin nothing more if its first samples failed; called from its thread."""
        with self.store.lock:
            if isinstance(worker.error, BudgetError):
                self.stops[worker.queue.subject] = str(worker.error)
            elif worker.error is not None and self.canary is not None and not self.canary.ended:
                self.stop()
            self._begin_next()
