"""The state of each sample of a plan: pending, generated, scored or failed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalharness.api.variant import Variant
from evalharness.planning.plan import Job, Plan, PlannedRescoring, Sample
from evalharness.store.failures import StoredFailure
from evalharness.store.store import Store
from evalharness.types.score import Score

if TYPE_CHECKING:
    from evalharness.store.sample_columns import SampleColumns, State


@dataclass(frozen=True, slots=True)
class SampleState:
    """A sample and what the store has of it.

    ``steps`` is the number of steps in the prefix of its arm, ``None`` if that is not generated. ``image`` is the
    digest of the final image.
    """

    sample: Sample
    state: State
    steps: int | None
    image: str | None
    score_key: str | None
    score: Score | None
    failure: StoredFailure | None


def sample_states(plan: Plan, store: Store, samples: Sequence[Sample] | None = None) -> list[SampleState]:
    """Return the state of each sample of the plan, or of ``samples``, in their order."""
    from evalharness.store.sample_columns import SampleColumns  # loads numpy

    columns = SampleColumns(plan, store, plan.samples if samples is None else samples)
    return list(states_of(columns, range(len(columns.samples))))


def states_of(columns: SampleColumns, places: Iterable[int]) -> Iterator[SampleState]:
    """Give the states of the samples at these places of the columns."""
    states = columns.states()
    for place in places:
        value, reason = float(columns.scores[place]), str(columns.reasons[place])
        yield SampleState(
            sample=columns.samples[place],
            state=states[place],
            steps=columns.steps_at(place),
            image=columns.images[place],
            score_key=columns.score_keys[place],
            score=None if math.isnan(value) else Score(value, reason),
            failure=columns.failures.get(place),
        )


def sample_states_in_parts(plan: Plan, store: Store, size: int = 5000) -> Iterator[list[SampleState]]:
    """Give the states of all samples, ``size`` at a time: those of a large plan do not all fit into memory."""
    for start in range(0, len(plan.samples), size):
        yield sample_states(plan, store, plan.samples[start : start + size])


@dataclass(frozen=True, slots=True)
class RescoreState:
    """A scored sample and one of its rescorings; ``key`` is that of the rescoring's score."""

    sample_state: SampleState
    rescoring: PlannedRescoring
    key: str
    score: Score | None = None
    failure: StoredFailure | None = None


def rescore_states(plan: Plan, store: Store, states: Iterable[SampleState]) -> list[RescoreState]:
    """Return the state of each rescoring of the scored samples."""
    rescored: list[RescoreState] = []
    for state in states:
        sample, planned = state.sample, plan.benchmarks[state.sample.benchmark]
        if state.score is None or state.image is None:
            continue
        for rescoring in planned.rescorings:
            if sample.item.id in rescoring.items:
                key = planned.score_key(state.image, sample.item, rescoring)
                rescored.append(RescoreState(state, rescoring, key))
    keys = [state.key for state in rescored]
    scores, failures = store.scores.get(keys), store.failures.get(keys)
    for rescore in rescored:
        if rescore.key in scores:
            planned = plan.benchmarks[rescore.sample_state.sample.benchmark]
            planned.require_possible(scores[rescore.key].value, store.path)
    return [replace(state, score=scores.get(state.key), failure=failures.get(state.key)) for state in rescored]


def pending_jobs(plan: Plan, states: Iterable[SampleState], retry: Collection[str] = ()) -> list[Job]:
    """Return the jobs that must still run, in a stable order; failed ones only if ``retry`` has their key.

    A job that failed is not the arms' with a smaller cap: it is returned with the largest cap that still has to run.
    """
    variants: dict[str, Variant] = {}
    for state in states:
        key, variant = state.sample.job, state.sample.arm.variant
        job_failed = state.steps is None and state.state == "failed"
        if state.state == "pending" or (job_failed and key in retry):
            longest = variants.setdefault(key, variant)
            if (variant.cap or 0) > (longest.cap or 0):
                variants[key] = variant
    return [_with_variant(plan.jobs[key], variants[key]) for key in sorted(variants)]


def _with_variant(job: Job, variant: Variant) -> Job:
    return job if job.cap == variant.cap else replace(job, variant=variant)
