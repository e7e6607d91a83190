"""Writes the outcomes of jobs to the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalharness.api.failure import Failure
from evalharness.execution.continuing import with_stored_steps, write_trajectory
from evalharness.execution.workers import JudgedScore
from evalharness.planning.plan import Job, Plan
from evalharness.store.store import Store
from evalharness.types.trajectory import Trajectory


def write_images(store: Store, outcomes: Iterable[Any]) -> None:
    """Write the images of all trajectories among these outcomes."""
    steps = (step for outcome in outcomes if isinstance(outcome, Trajectory) for step in outcome.steps)
    store.images.prepare(step.image for step in steps if step.image is not None)


def write_outcome(plan: Plan, store: Store, job: Any, outcome: Any) -> None:
    """Write the outcome of a job: a trajectory, a score, a judged score with its replies, or a failure."""
    if isinstance(outcome, JudgedScore):
        for judge_reply in outcome.replies:
            store.replies.put(judge_reply.key, judge_reply.prompt_fields, judge_reply.reply)
        outcome = outcome.outcome
    if isinstance(outcome, Failure):
        store.failures.add(job.key, outcome, job.cap if isinstance(job, Job) else None)
    elif isinstance(outcome, Trajectory):
        _write_trajectory(plan, store, job, outcome)
    else:
        store.scores.add(job.key, job.digest, outcome)


def _write_trajectory(plan: Plan, store: Store, job: Job, trajectory: Trajectory) -> None:
    outcome = with_stored_steps(job, trajectory)
    if isinstance(outcome, Failure):
        store.failures.add(job.key, outcome, job.cap)
    else:
        write_trajectory(plan, store, job, outcome, job.cap)
