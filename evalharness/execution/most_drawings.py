"""How many images a run draws at most, if nothing fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from evalharness.api.variant import CAP, Variant
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store
from evalharness.store.trajectories import StoredTrajectory


def most_drawings(plan: Plan, store: Store, jobs: Collection[Job]) -> Iterator[tuple[Job, int]]:
    """Give each job with the most images that are drawn for it.

    Of a trajectory that is continued, the stored iterations are not drawn again.
    """
    stored = store.trajectories.get(job.key for job in jobs if job.may_be_partial)
    models = {alias: spec.build() for alias, spec in plan.sweep.models.items()}
    for job in jobs:
        begun = stored.get(job.key)
        drawn = begun is not None and job.variant.resumes(models[job.model])
        yield job, job.variant.drawings - (_drawn(job.variant, begun) if drawn and begun is not None else 0)


def _drawn(variant: Variant, begun: StoredTrajectory) -> int:
    """How many images fewer a continued trajectory needs.

    Those that its complete iterations could have had, and those that it has of the next one.
    """
    if variant.cap is None:
        return sum(step.image is not None for step in begun.steps)
    complete = begun.cap or 0
    whole = variant.model_copy(update={CAP: complete}).drawings if complete else 0
    return whole + sum(step.image is not None and step.iteration > complete for step in begun.steps)
