"""What other stores hold, brought into one: of machines, or of processes beside each other, with a store each.

Keys say all that a result depends on, so what two stores have under one key is the same result, and what is there
stays; but a trajectory that goes further takes the place of its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness._util.chunking import chunks
from evalharness._util.hashing import canonical
from evalharness.store.store import DamagedImageError, Store, StoredStep, StoredTrajectory
from evalharness.types.trajectory import Trajectory

SIZE = 200
"""Rows to a commit."""


@dataclass
class Merged:
    """What was brought. ``damaged``: trajectories left out, as an image of theirs is damaged or gone."""

    trajectories: int = 0
    scores: int = 0
    replies: int = 0
    failures: int = 0
    damaged: int = 0


def merge(source: Store, into: Store) -> Merged:
    """Add to a store what another has and it lacks.

    A failure is brought where nothing is known yet. Of a judge's several tries at a question all are brought, or none.

    Raises:
        StoreError: either cannot be read, or written; what was brought until then is kept.
    """
    merged = Merged()
    for trajectories in chunks(source.all_trajectories(), SIZE):
        _trajectories(dict(trajectories), source, into, merged)
    for scores in chunks(source.all_scores(), SIZE):
        there = into.scores([key for key, *_ in scores])
        with into.batch():
            for key, image, score in scores:
                if key not in there:
                    into.add_score(key, image, score)
                    merged.scores += 1
    _replies(source, into, merged)
    _failures(source, into, merged)
    known = into.run_infos()
    for name, info in source.run_infos().items():
        if name not in known:
            into.set_run_info(name, info)
    return merged


def _trajectories(rows: Mapping[str, dict[str, Any]], source: Store, into: Store, merged: Merged) -> None:
    there = into.trajectories(rows)
    whole: dict[str, Trajectory] = {}
    for key, row in rows.items():
        if _goes_further(row, there.get(key)):
            try:
                steps = source.loaded(StoredStep(**step) for step in row["steps"])
                whole[key] = Trajectory(steps, row["finished"])
            except DamagedImageError:
                merged.damaged += 1
    with into.batch():
        into.add_images(step.image for made in whole.values() for step in made.steps if step.image is not None)
        for key, made in whole.items():
            about = {name: rows[key][name] for name in ("model", "prompt", "seed", "cap")}
            into.add_trajectory(key, made, variant=canonical(rows[key]["variant"]), **about)
            merged.trajectories += 1


def _goes_further(row: Mapping[str, Any], there: StoredTrajectory | None) -> bool:
    if there is None:
        return True
    return not there.covers(None) and (row["finished"] or not there.covers(row["cap"]))


def _replies(source: Store, into: Store, merged: Merged) -> None:
    known: dict[str, bool] = {}
    for rows in chunks(source.replies.all(), SIZE):
        with into.batch():
            for key, about, reply in rows:
                if key not in known:
                    known[key] = bool(into.replies.get(key))
                if not known[key]:
                    into.replies.put(key, about, reply)
                    merged.replies += 1


def _failures(source: Store, into: Store, merged: Merged) -> None:
    for rows in chunks(source.all_failures(), SIZE):
        keys = [key for key, _ in rows]
        known = into.trajectories(keys).keys() | into.scores(keys).keys() | into.failures(keys).keys()
        with into.batch():
            for key, reason in rows:
                if key not in known:
                    into.add_failure(key, reason)
                    merged.failures += 1
