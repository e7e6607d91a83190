"""Continues trajectories of which the store has the first steps. These are never replaced."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from evalharness._util.hashing import canonical, digest
from evalharness.api.executor import WorkerSpec
from evalharness.api.failure import Failure
from evalharness.execution.draw_queue import DrawQueue
from evalharness.execution.signals import deferred_signals
from evalharness.planning.plan import Job, Plan
from evalharness.store.database import storable
from evalharness.store.images import DamagedImageError
from evalharness.store.store import Store
from evalharness.types.origin import Stretch, stretches_before
from evalharness.types.trajectory import PartialTrajectory, Step, Trajectory


class ContinuingDrawQueue(DrawQueue):
    """A queue whose jobs get the stored steps of their trajectories when they are handed out."""

    def __init__(
        self,
        subject: str,
        worker_spec: WorkerSpec,
        plan: Plan,
        store: Store,
        jobs: Iterable[Job],
        batch_size: int,
        cost: Callable[[Job], float],
    ) -> None:
        super().__init__(subject, worker_spec, store.lock, jobs, batch_size, cost)
        self._plan, self._store = plan, store
        self._lengths: dict[str, int] = {}
        """Number of the steps that are stored of each job in hand."""

    def take(self, workers: int = 1, *, proven: bool = True) -> Sequence[Job]:
        with self._lock:
            jobs = jobs_with_stored_steps(self._store, super().take(workers, proven=proven))
            self.in_hand.update((job.key, job) for job in jobs)
            self._lengths.update((job.key, len(job.stored)) for job in jobs)
            return jobs

    def keep(self, partial: Mapping[str, PartialTrajectory]) -> None:
        with self._lock:
            longer = {
                key: trajectory
                for key, trajectory in partial.items()
                if key in self.in_hand and len(trajectory.steps) > self._lengths[key]
            }
            images = [step.image for trajectory in longer.values() for step in trajectory.steps]
            with deferred_signals(), self._store.batch():
                self._store.images.prepare(image for image in images if image is not None)
                for key, trajectory in longer.items():
                    self._add(self.in_hand[key], trajectory)
                    self._lengths[key] = len(trajectory.steps)

    def _add(self, job: Job, partial: PartialTrajectory) -> None:
        made = Trajectory(partial.steps, partial.finished, partial.origin)
        write_trajectory(self._plan, self._store, job, made, partial.iterations)

    def measure(self, job: Job, trajectory: Trajectory) -> None:
        """Correct the expected load, by trajectories that were drawn as a whole."""
        if not job.stored:
            super().measure(job, trajectory)


def jobs_with_stored_steps(store: Store, jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the steps that the store has, if these have all their images."""
    stored = store.trajectories.get(job.key for job in jobs if job.may_be_partial)
    loaded = []
    for job in jobs:
        steps: tuple[Step, ...] = ()
        stretches: tuple[Stretch, ...] = ()
        if job.key in stored:
            with contextlib.suppress(DamagedImageError):  # it is drawn again as a whole
                steps = store.trajectories.with_images(stored[job.key].steps)
                stretches = store.trajectories.stretches(stored[job.key])
        loaded.append(replace(job, stored=steps, stretches=stretches))
    return loaded


def write_trajectory(plan: Plan, store: Store, job: Job, trajectory: Trajectory, cap: int | None) -> None:
    """Write a trajectory, of which arms with up to ``cap`` iterations are complete. Inside a batch."""
    origin = trajectory.origin
    if job.stretches and len(trajectory.steps) == len(job.stored):
        origin = job.stretches[-1].origin  # nothing was made but what is stored
    store.trajectories.add(
        job.key,
        replace(trajectory, origin=origin, earlier=stretches_before(job.stretches, origin)),
        model=digest(dict(plan.models[job.model])),
        variant=canonical(job.variant.key()),
        prompt=job.prompt,
        seed=job.seed,
        cap=cap,
    )


def with_stored_steps(job: Job, trajectory: Trajectory) -> Trajectory | Failure:
    """A trajectory with its stored steps as they are, of which a model that drew them again has other costs.

    Returns:
        A failure if the trajectory begins with other steps: arms that are complete would change.
    """
    count = len(job.stored)
    if len(trajectory.steps) < count:
        return Failure(f"the stored trajectory cannot be continued: drawn again, it ends before step {count}", "sample")
    for number, (step, again) in enumerate(zip(job.stored, trajectory.steps, strict=False), start=1):
        if _content(step) != _content(again):
            reason = (
                f"the stored trajectory cannot be continued: drawn again, step {number} of {count} is another, and "
                "arms that are complete would change; draw all arms into another --store"
            )
            return Failure(reason, "sample")
    return replace(trajectory, steps=job.stored + trajectory.steps[count:])


def _content(step: Step) -> tuple[object, ...]:
    return step.kind, step.iteration, storable(step.text), step.image, step.seed
