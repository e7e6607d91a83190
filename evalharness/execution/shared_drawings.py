"""Trajectories that contain those of other jobs: only the largest is drawn, the rest is taken from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalharness._util.hashing import canonical
from evalharness.execution.draw_queue import DrawQueue
from evalharness.planning.plan import Job, Plan
from evalharness.types.trajectory import Trajectory


class SharedDrawings:
    """The jobs of a pass whose trajectories are taken from larger ones, such as ``best_of_n`` with a smaller n."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._contained: dict[str, list[Job]] = {}
        """Key of a job → the jobs that are taken from its trajectory, the largest first."""

    def largest(self, jobs: Mapping[str, Job]) -> dict[str, Job]:
        """The jobs that have to be drawn, by key; the smaller ones wait for the trajectories of these."""
        groups = _groups(jobs.values())
        self._contained |= {group[0].key: group[1:] for group in groups}
        return {job.key: job for job in _without_smaller(jobs.values(), groups)}

    def finish(self, queue: DrawQueue, jobs: Sequence[Job], outcomes: Sequence[Any]) -> tuple[list[Job], list[Any]]:
        """Add the jobs that are contained in these, with their trajectories.

        What failed may succeed for a smaller job, which is queued then.
        """
        all_jobs, all_outcomes = list(jobs), list(outcomes)
        for job, outcome in zip(jobs, outcomes, strict=True):
            contained = self._contained.pop(job.key, [])
            if isinstance(outcome, Trajectory) and contained:
                model = self._plan.sweep.models[job.model].build()
                all_jobs += contained
                taken = [smaller.variant.contained(outcome, model) for smaller in contained]
                all_outcomes += [replace(trajectory, origin=outcome.origin) for trajectory in taken]
            elif contained:
                self._contained[contained[0].key] = contained[1:]
                queue.add(contained[0])
        return all_jobs, all_outcomes


def without_contained(jobs: Iterable[Job]) -> list[Job]:
    """The jobs whose trajectories are contained in no other."""
    every = list(jobs)
    return _without_smaller(every, _groups(every))


def _without_smaller(jobs: Iterable[Job], groups: Iterable[Sequence[Job]]) -> list[Job]:
    contained = {job.key for group in groups for job in group[1:]}
    return [job for job in jobs if job.key not in contained]


def _groups(jobs: Iterable[Job]) -> list[list[Job]]:
    """Groups of jobs of which the first contains the rest, the larger first."""
    groups: dict[tuple[Any, ...], list[Job]] = defaultdict(list)
    for job in jobs:
        shared = job.variant.shared_key()
        if shared is not None:
            picture = None if job.picture is None else job.picture.digest
            groups[job.model, canonical(shared), job.prompt, job.seed, picture].append(job)
    return [sorted(members, key=lambda job: -job.variant.drawings) for members in groups.values()]
