"""Where each sample of a plan stands: pending, generated, scored or failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from evalharness.planning.plan import Job, Plan, PlannedRescoring, Sample
from evalharness.store.store import Store, StoredStep, final_image
from evalharness.types.score import Score

NO_IMAGE = "the model drew no image"
State = Literal["pending", "generated", "scored", "failed"]


@dataclass(frozen=True, slots=True)
class SampleState:
    """A sample with what the store has of it; ``steps`` are those of its arm's prefix."""

    sample: Sample
    steps: tuple[StoredStep, ...] | None = None
    image: str | None = None
    score_key: str | None = None
    score: Score | None = None
    failure: str | None = None

    @property
    def state(self) -> State:
        if self.score is not None:
            return "scored"
        if self.failure is not None:
            return "failed"
        return "pending" if self.steps is None else "generated"


def sample_states(plan: Plan, store: Store, samples: Sequence[Sample] | None = None) -> list[SampleState]:
    """One for each sample of the plan, or of these, in their order."""
    samples = plan.samples if samples is None else samples
    keys = plan.jobs if samples is plan.samples else [sample.job for sample in samples]
    stored = store.trajectories(keys)
    failed = store.failures(keys)
    found: list[SampleState] = []
    for sample in samples:
        trajectory = stored.get(sample.job)
        if trajectory is None or not trajectory.covers(sample.arm.cap):
            found.append(SampleState(sample, failure=failed.get(sample.job)))
            continue
        steps = trajectory.prefix(sample.arm.cap)
        image = final_image(steps)
        if image is None:
            found.append(SampleState(sample, steps, failure=NO_IMAGE))
        else:
            key = plan.benchmarks[sample.benchmark].score_key(image, sample.item)
            found.append(SampleState(sample, steps, image, key))
    return _with_scores(found, store)


def _with_scores(found: list[SampleState], store: Store) -> list[SampleState]:
    keys = [one.score_key for one in found if one.score_key is not None]
    scores, failures = store.scores(keys), store.failures(keys)
    return [
        one
        if one.score_key is None
        else SampleState(
            one.sample, one.steps, one.image, one.score_key, scores.get(one.score_key), failures.get(one.score_key)
        )
        for one in found
    ]


def sample_states_in_parts(plan: Plan, store: Store, size: int = 5000) -> Iterator[list[SampleState]]:
    """All states, so many at a time: those of a large plan do not fit into memory all at once."""
    for start in range(0, len(plan.samples), size):
        yield sample_states(plan, store, plan.samples[start : start + size])


@dataclass(frozen=True, slots=True)
class RescoreState:
    """A scored sample under a rescoring; ``key`` is that of the rescoring's score."""

    sample_state: SampleState
    rescoring: PlannedRescoring
    key: str
    score: Score | None = None
    failure: str | None = None


def rescore_states(plan: Plan, store: Store, found: Iterable[SampleState]) -> list[RescoreState]:
    """One for each scored sample and each rescoring that takes in its item."""
    open_: list[RescoreState] = []
    for one in found:
        planned = plan.benchmarks[one.sample.benchmark]
        for rescoring in planned.rescorings:
            if one.score is not None and one.image is not None and one.sample.item.id in rescoring.items:
                open_.append(RescoreState(one, rescoring, planned.score_key(one.image, one.sample.item, rescoring)))
    keys = [one.key for one in open_]
    scores, failures = store.scores(keys), store.failures(keys)
    return [replace(one, score=scores.get(one.key), failure=failures.get(one.key)) for one in open_]


def pending_jobs(plan: Plan, found: Iterable[SampleState], retry: Collection[str] = ()) -> list[Job]:
    """The jobs that must still run, in a stable order; failed ones only if ``retry`` has their key."""
    keys = {
        one.sample.job
        for one in found
        if one.state == "pending" or (one.steps is None and one.state == "failed" and one.sample.job in retry)
    }
    return [plan.jobs[key] for key in sorted(keys)]


def failed_keys(plan: Plan, store: Store) -> set[str]:
    """The keys of all jobs, scores and rescorings that failed."""
    failed = set(store.failures(plan.jobs))
    for found in sample_states_in_parts(plan, store):
        keys = [one.score_key for one in found if one.score_key is not None]
        failed |= set(store.failures([*keys, *(one.key for one in rescore_states(plan, store, found))]))
    return failed
