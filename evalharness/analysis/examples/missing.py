"""Scores of pictures that are no arm's final image, which a run makes for its report.

A sweep has scores of its final images, but not of the sketches that were refined. A detector scores these in the order
of the search for examples, until each rule has its example, and those of the samples that tell what the loop does. A
judge does not, because its replies cost money.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import islice
from typing import TypeAlias

from evalharness.analysis.examples.judged_samples import JUDGED_SAMPLES, judged_samples
from evalharness.analysis.examples.rules import Case
from evalharness.analysis.examples.search import MAX_REFINEMENTS, MAX_SAMPLES, RecordedSample, Tally
from evalharness.api.benchmark import JudgeScorer
from evalharness.config.arm_families import FamilyKey
from evalharness.config.schema import Arm
from evalharness.execution.score_queue import PendingScore
from evalharness.generation.process import Process
from evalharness.planning.plan import Job, Plan, Sample
from evalharness.store.results import Judged
from evalharness.store.store import Store
from evalharness.types.score import Score

AHEAD = 16
"""Number of refinements whose images are scored together."""


Search: TypeAlias = "ExampleSearch | JudgedSamples"


def score_searches(plan: Plan, store: Store) -> list[Search]:
    """The searches for each benchmark with a scorer that is no judge, and each arm that refines.

    Of arms that differ only in their cap it is the one with the highest.
    """
    searched = _searched_samples(plan)
    return [
        search for (benchmark, _), samples in searched.items() for search in _searches(plan, store, benchmark, samples)
    ]


def _searches(plan: Plan, store: Store, benchmark: str, samples: Sequence[Sample]) -> tuple[Search, ...]:
    return ExampleSearch(plan, store, benchmark, samples), JudgedSamples(plan, store, benchmark, samples)


def most_intermediate_scores(plan: Plan, store: Store, jobs: Collection[Job]) -> dict[str, int]:
    """The number of intermediate images that the searches score at most once ``jobs`` are drawn, by benchmark.

    Of a trajectory, all images can be scored that no arm ends in.
    """
    caps: dict[str, set[int | None]] = defaultdict(set)
    for sample in plan.samples:
        caps[sample.job].add(sample.arm.cap)
    to_draw = {job.key for job in jobs}
    most: Counter[str] = Counter()
    for (benchmark, _), samples in _searched_samples(plan).items():
        searched = samples[:MAX_SAMPLES]
        drawn = to_draw.isdisjoint(sample.job for sample in searched)
        if drawn and not any(search.missing_scores() for search in _searches(plan, store, benchmark, searched)):
            continue
        intermediate = [sample.arm.variant.drawings - len(caps[sample.job]) for sample in searched]
        judged = sum(nlargest(JUDGED_SAMPLES, intermediate))
        most[benchmark] += min(sum(intermediate), 2 * MAX_REFINEMENTS + judged)
    return dict(most)


def _searched_samples(plan: Plan) -> dict[tuple[str, str], list[Sample]]:
    """The samples that each search goes through, by benchmark and arm."""
    leads: dict[FamilyKey, Arm] = {}
    for arm in plan.sweep.arms:
        if isinstance(arm.variant, Process) and arm.variant.refine and arm.variant.refinements:
            lead = leads.setdefault(arm.family, arm)
            if (arm.cap or 0) > (lead.cap or 0):
                leads[arm.family] = arm
    samples: dict[tuple[str, str], list[Sample]] = {
        (benchmark, arm.name): []
        for benchmark, planned in plan.benchmarks.items()
        if not isinstance(planned.benchmark.scorer(), JudgeScorer)
        for arm in leads.values()
    }
    for sample in plan.samples:
        if (sample.benchmark, sample.arm.name) in samples:
            samples[sample.benchmark, sample.arm.name].append(sample)
    return samples


class ExampleSearch:
    """The search of :mod:`evalharness.analysis.examples.search`, which stops where a score is missing."""

    def __init__(self, plan: Plan, store: Store, benchmark: str, samples: Sequence[Sample]) -> None:
        self.benchmark = benchmark
        self._planned, self._store = plan.benchmarks[benchmark], store
        self._cases = islice(self._walk(samples), MAX_REFINEMENTS)
        self._ahead: deque[tuple[Sample, RecordedSample, Case]] = deque()
        self._tally = Tally()

    def missing_scores(self) -> Mapping[str, PendingScore]:
        """Search as far as the store's scores allow; return the scores needed next, by key; none at the end."""
        while not self._tally.done:
            if not self._ahead:
                self._ahead.extend(islice(self._cases, AHEAD))
                if not self._ahead:
                    break
            pending = self._pending_scores()
            scores = self._store.scores.get(pending)
            failures = self._store.failures.get(pending)
            missing = {key: score for key, score in pending.items() if key not in scores and key not in failures}
            if missing:
                return missing
            self._tally_ahead(scores)
        return {}

    def _pending_scores(self) -> dict[str, PendingScore]:
        return {
            self._planned.score_key(image, sample.item): PendingScore(image, sample.item)
            for sample, _, case in self._ahead
            for image in (case.refinement.before, case.refinement.after)
        }

    def _tally_ahead(self, scores: Mapping[str, Score]) -> None:
        while self._ahead:
            sample, recorded, case = self._ahead.popleft()
            before, after = (
                self._judged(scores.get(self._planned.score_key(image, sample.item)))
                for image in (case.refinement.before, case.refinement.after)
            )
            self._tally.add(recorded, Case(case.refinement, before, after, case.final))

    @staticmethod
    def _judged(score: Score | None) -> Judged | None:
        return None if score is None else Judged(score.value, score.reason)

    def _walk(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, RecordedSample, Case]]:
        for sample in samples[:MAX_SAMPLES]:
            stored = self._store.trajectories.get([sample.job]).get(sample.job)
            if stored is not None:
                recorded = RecordedSample({}, tuple(step.as_dict() for step in stored.prefix(sample.arm.cap)))
                for refinement in recorded.refinements:
                    yield sample, recorded, Case(refinement, None, None, final=False)


class JudgedSamples:
    """All pictures of the samples whose verdicts tell what the loop does."""

    def __init__(self, plan: Plan, store: Store, benchmark: str, samples: Sequence[Sample]) -> None:
        self.benchmark = benchmark
        self._planned, self._store = plan.benchmarks[benchmark], store
        searched = samples[:MAX_SAMPLES]
        chosen = judged_samples(map(_key, searched))
        self._samples = [sample for sample in searched if _key(sample) in chosen]
        self._asked = False

    def missing_scores(self) -> Mapping[str, PendingScore]:
        """The scores that these samples lack, by key, all at once; then none."""
        if self._asked:
            return {}
        self._asked = True
        stored = self._store.trajectories.get([sample.job for sample in self._samples])
        pending = {
            self._planned.score_key(step.image, sample.item): PendingScore(step.image, sample.item)
            for sample in self._samples
            if sample.job in stored
            for step in stored[sample.job].prefix(sample.arm.cap)
            if step.image is not None
        }
        known = {*self._store.scores.get(pending), *self._store.failures.get(pending)}
        return {key: score for key, score in pending.items() if key not in known}


def _key(sample: Sample) -> tuple[str, int]:
    return sample.item.id, sample.seed_index
