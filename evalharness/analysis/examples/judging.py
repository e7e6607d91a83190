"""Has the pictures around refinements scored, as far as the rules need them, when all else of a sweep is done.

Of the final images a sweep has scores; of the sketches that were refined it has none. A detector looks at them here, in
the order in which examples are sought, until each rule has its example. A judge is not asked: its replies cost money.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from evalharness._util.progress import Progress
from evalharness.analysis.examples.rules import Case
from evalharness.analysis.examples.search import REFINEMENTS, SAMPLES, Seen, Tally
from evalharness.api.benchmark import JudgeScorer
from evalharness.api.executor import Executor, Failure
from evalharness.errors import BudgetError
from evalharness.generation.variants import Process
from evalharness.plan.plan import Plan, Sample
from evalharness.run.queues import PendingScore, ScoreQueue
from evalharness.run.workers import PluginWorkerSpec
from evalharness.store.results import Judged
from evalharness.store.store import Store

AHEAD = 16
"""Refinements whose pictures are looked at together."""


def judge(plan: Plan, store: Store, executor: Executor, progress: Progress) -> int:
    """Returns the number of pictures that were scored."""
    queues: dict[str, ScoreQueue] = {}
    searches: dict[str, list[_Search]] = {}
    specs = {spec.plugin.name: spec.plugin for spec in plan.sweep.benchmarks}
    for name, planned in plan.benchmarks.items():
        scorer = planned.benchmark.scorer()
        if not isinstance(scorer, JudgeScorer):
            queue = ScoreQueue(name, PluginWorkerSpec(specs[name]), store.lock, store, scorer.batch_size)
            own = [_Search(plan, store, name, samples, queue) for samples in _leads(plan, name)]
            for one in own:
                one.advance()
            if queue.waiting:
                queues[name], searches[name] = queue, own
    if queues:
        _work(queues, searches, store, executor, progress)
    return sum(queue.done for queue in queues.values())


def _work(
    queues: dict[str, ScoreQueue],
    searches: dict[str, list[_Search]],
    store: Store,
    executor: Executor,
    progress: Progress,
) -> None:
    with progress.stages() as stage:
        shown = stage("refinements", sum(queue.total for queue in queues.values()))
        for queue, jobs, outcomes in executor.run(list(queues.values())):
            if isinstance(outcomes, BudgetError):
                queue.put_back(jobs)
                queue.stop()
                continue
            with store.batch():
                for job, outcome in zip(jobs, outcomes, strict=True):
                    if isinstance(outcome, Failure):
                        store.add_failure(job.key, outcome.reason)
                    else:
                        store.add_score(job.key, job.digest, outcome)
            # What follows is added before these are settled, so that the queue does not seem to be at its end.
            for one in searches[queue.subject]:
                one.advance()
            queue.settle(jobs, sum(isinstance(one, Failure) for one in outcomes))
            with store.lock:
                shown.resize(sum(one.total for one in queues.values()))
                shown.advance(len(jobs))


def _leads(plan: Plan, benchmark: str) -> list[list[Sample]]:
    """The samples of each process arm that refines, the one with the highest cap of those that differ in that alone."""
    caps: dict[tuple[str, str], str] = {}
    highest: dict[tuple[str, str], int] = {}
    for arm in plan.sweep.arms:
        refines = isinstance(arm.variant, Process) and arm.variant.refine
        if refines and (arm.cap or 0) > highest.get(arm.family, 0):
            caps[arm.family], highest[arm.family] = arm.name, arm.cap or 0
    own: dict[str, list[Sample]] = {name: [] for name in caps.values()}
    for sample in plan.samples:
        if sample.benchmark == benchmark and sample.arm.name in own:
            own[sample.arm.name].append(sample)
    return list(own.values())


class _Search:
    """As :mod:`evalharness.analysis.examples.search`, but it asks for the scores that are missing and waits."""

    def __init__(self, plan: Plan, store: Store, benchmark: str, samples: list[Sample], queue: ScoreQueue) -> None:
        self._planned, self._store, self._queue = plan.benchmarks[benchmark], store, queue
        self._cases = islice(self._walk(samples), REFINEMENTS)
        self._ahead: deque[tuple[Sample, Seen, Case]] = deque()
        self._tally = Tally()

    def advance(self) -> None:
        """Go on as far as scores allow; ask for those that are needed next."""
        while not self._tally.done:
            if not self._ahead:
                self._ahead.extend(islice(self._cases, AHEAD))
                if not self._ahead:
                    return
            wanted = self._wanted()
            known = self._store.scores(wanted)
            failed = self._store.failures(wanted)
            lacking = {key: todo for key, todo in wanted.items() if key not in known and key not in failed}
            if lacking:
                for key, todo in lacking.items():
                    self._queue.add(key, todo)
                return
            while self._ahead:
                sample, seen, case = self._ahead.popleft()
                found = [
                    known.get(self._planned.score_key(image, sample.item))
                    for image in (case.refinement.before, case.refinement.after)
                ]
                before, after = (Judged(one.value, one.reason) if one else None for one in found)
                self._tally.add(seen, Case(case.refinement, before, after, case.final))

    def _wanted(self) -> dict[str, PendingScore]:
        return {
            self._planned.score_key(image, sample.item): PendingScore(image, sample.item)
            for sample, _, case in self._ahead
            for image in (case.refinement.before, case.refinement.after)
        }

    def _walk(self, samples: list[Sample]) -> Iterator[tuple[Sample, Seen, Case]]:
        for sample in samples[:SAMPLES]:
            stored = self._store.trajectories([sample.job]).get(sample.job)
            if stored is not None:
                seen = Seen({}, tuple(step.as_dict() for step in stored.prefix(sample.arm.cap)))
                for one in seen.refinements:
                    yield sample, seen, Case(one, None, None, final=False)
