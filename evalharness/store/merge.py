"""Copies into a store what other stores have and it lacks: stores of other machines, or of parallel processes.

A key contains everything that a result depends on. Two stores therefore have the same result under one key, and it need
not be copied; but a trajectory that goes further replaces its own beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness._util.chunking import chunks
from evalharness._util.hashing import canonical
from evalharness.api.failure import Failure
from evalharness.store.images import DamagedImageError
from evalharness.store.store import Store
from evalharness.store.trajectories import StoredStep, StoredTrajectory
from evalharness.types.trajectory import Trajectory

BATCH_SIZE = 200
"""Rows per commit."""


@dataclass
class Merged:
    """Numbers of copied rows. ``damaged`` counts trajectories left out because an image is damaged or missing."""

    trajectories: int = 0
    scores: int = 0
    replies: int = 0
    failures: int = 0
    damaged: int = 0


def merge(source: Store, into: Store) -> Merged:
    """Add to a store what another has and it lacks.

    A failure is copied if the store has nothing under its key. The replies of a key are copied all, or not at all.

    Raises:
        StoreError: a store cannot be read or written; what was copied until then is kept.
    """
    merged = Merged()
    for trajectories in chunks(source.trajectories.all(), BATCH_SIZE):
        _merge_trajectories(dict(trajectories), source, into, merged)
    _merge_scores(source, into, merged)
    _merge_replies(source, into, merged)
    _merge_failures(source, into, merged)
    existing = into.runs.all()
    for name, info in source.runs.all().items():
        if name not in existing:
            into.runs.put(name, info)
    return merged


def _merge_trajectories(rows: Mapping[str, dict[str, Any]], source: Store, into: Store, merged: Merged) -> None:
    existing = into.trajectories.get(rows)
    trajectories: dict[str, Trajectory] = {}
    for key, row in rows.items():
        if _goes_further(row, existing.get(key)):
            try:
                steps = source.trajectories.with_images(StoredStep(**step) for step in row["steps"])
                trajectories[key] = Trajectory(steps, row["finished"])
            except DamagedImageError:
                merged.damaged += 1
    new_steps = [step for trajectory in trajectories.values() for step in trajectory.steps]
    with into.batch():
        into.images.prepare(step.image for step in new_steps if step.image is not None)
        for key, trajectory in trajectories.items():
            row = rows[key]
            into.trajectories.add(
                key,
                trajectory,
                model=row["model"],
                variant=canonical(row["variant"]),
                prompt=row["prompt"],
                seed=row["seed"],
                cap=row["cap"],
            )
            merged.trajectories += 1


def _goes_further(row: Mapping[str, Any], existing: StoredTrajectory | None) -> bool:
    if existing is None:
        return True
    return not existing.covers(None) and (row["finished"] or not existing.covers(row["cap"]))


def _merge_scores(source: Store, into: Store, merged: Merged) -> None:
    for scores in chunks(source.scores.all(), BATCH_SIZE):
        existing = into.scores.get([key for key, *_ in scores])
        with into.batch():
            for key, image, score in scores:
                if key not in existing:
                    into.scores.add(key, image, score)
                    merged.scores += 1


def _merge_replies(source: Store, into: Store, merged: Merged) -> None:
    had_replies: dict[str, bool] = {}
    for rows in chunks(source.replies.all(), BATCH_SIZE):
        with into.batch():
            for key, origin, reply in rows:
                if key not in had_replies:
                    had_replies[key] = bool(into.replies.get(key))
                if not had_replies[key]:
                    into.replies.put(key, origin, reply)
                    merged.replies += 1


def _merge_failures(source: Store, into: Store, merged: Merged) -> None:
    for rows in chunks(source.failures.all(), BATCH_SIZE):
        keys = [key for key, _ in rows]
        existing = into.trajectories.get(keys).keys() | into.scores.get(keys).keys() | into.failures.get(keys).keys()
        with into.batch():
            for key, row in rows:
                if key not in existing:
                    text = source.failures.traceback(row)
                    failure = Failure(
                        row.reason, row.kind, row.exception, text, row.attempt, row.worker, row.host, row.device
                    )
                    into.failures.add(key, failure, row.cap)
                    merged.failures += 1
