"""The samples of a plan as one frame, read from the store in one pass: a million of them fit in memory.

Says the same of each sample as ``states.sample_states``, which holds every step of every trajectory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evalharness._util.chunking import chunks
from evalharness._util.gc_paused import gc_paused
from evalharness.planning.plan import Plan
from evalharness.store.results import SAMPLE_COLUMNS
from evalharness.store.states import NO_IMAGE
from evalharness.store.store import Store, StoredTrajectory
from evalharness.store.trajectory_columns import NEVER, Ints

if TYPE_CHECKING:
    import pandas as pd


@gc_paused()
def sample_frame(plan: Plan, store: Store) -> pd.DataFrame:
    """One row for each sample of the plan, in its order, with the columns of ``Results.samples``."""
    import pandas as pd

    rows = _Rows(plan)
    rows.read_trajectories(store)
    rows.read_scores(store)
    samples = plan.samples
    columns = {
        "benchmark": [one.benchmark for one in samples],
        "arm": [one.arm.name for one in samples],
        "item": [one.item.id for one in samples],
        "category": [one.item.category for one in samples],
        "prompt": [one.item.prompt for one in samples],
        "seed_index": [one.seed_index for one in samples],
        "seed": [one.seed for one in samples],
        "state": rows.states(),
        "score": rows.scores,
        "reason": rows.reasons,
        "image": rows.images,
        "trajectory": [one.job if there else None for one, there in zip(samples, rows.there, strict=True)],
        "score_key": [key if scored else None for key, scored in zip(rows.keys, ~np.isnan(rows.scores), strict=True)],
        "iterations": rows.iterations,
        "evaluations": rows.evaluations,
        "tokens": rows.tokens,
        "seconds": rows.seconds,
        "dollars": rows.dollars,
    }
    return pd.DataFrame(columns, columns=list(SAMPLE_COLUMNS))


class _Rows:
    """What the store has of each sample, a list or array a column."""

    def __init__(self, plan: Plan) -> None:
        self.plan, count = plan, len(plan.samples)
        caps = {arm.name: NEVER if arm.cap is None else arm.cap for arm in plan.sweep.arms}
        self.caps = np.array([caps[one.arm.name] for one in plan.samples], dtype=np.int64)
        self.there = np.zeros(count, dtype=bool)
        self.failed = np.zeros(count, dtype=bool)
        self.scores = np.full(count, math.nan)
        self.reasons = np.full(count, "", dtype=object)
        self.images: list[str | None] = [None] * count
        self.keys: list[str | None] = [None] * count
        self.iterations, self.evaluations, self.tokens = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.seconds, self.dollars = np.zeros(count), np.zeros(count)

    def read_trajectories(self, store: Store) -> None:
        users = _Users([one.job for one in self.plan.samples])
        for stored, courses in store.courses(sorted(users.keys)):
            places, rows = users.of([key for key, _ in stored])
            fit = self._covered(places, rows, [one for _, one in stored])
            places, rows = places[fit], rows[fit]
            ends = courses.ends(rows, self.caps[places])
            self.there[places] = True
            self.iterations[places] = ends.iterations
            for name, values in ends.costs.items():
                getattr(self, name)[places] = values
            self._show(places.tolist(), ends.images)
        self._excuse(store, users, ~self.there)

    def _covered(self, places: Ints, rows: Ints, stored: Sequence[StoredTrajectory]) -> npt.NDArray[np.bool_]:
        """Whether a sample's trajectory was drawn far enough."""
        drawn = np.array([NEVER if one.finished or one.cap is None else one.cap for one in stored], dtype=np.int64)
        found: npt.NDArray[np.bool_] = self.caps[places] <= drawn[rows]
        return found

    def _show(self, places: Sequence[int], images: Sequence[str | None]) -> None:
        samples, benchmarks = self.plan.samples, self.plan.benchmarks
        for place, image in zip(places, images, strict=True):
            if image is None:
                self._fail(place, NO_IMAGE)
            else:
                sample, self.images[place] = samples[place], image
                self.keys[place] = benchmarks[sample.benchmark].score_key(image, sample.item)

    def read_scores(self, store: Store) -> None:
        users = _Users(self.keys)
        for chunk in chunks(store.verdicts(sorted(users.keys)), 5000):
            keys, values, reasons = zip(*chunk, strict=True)
            places, rows = users.of(keys)
            self.scores[places] = np.array(values, dtype=float)[rows]
            self.reasons[places] = np.array(reasons, dtype=object)[rows]
        self._excuse(store, users, np.isnan(self.scores))

    def _excuse(self, store: Store, users: _Users, lacking: npt.NDArray[np.bool_]) -> None:
        """Why samples are not drawn, or not scored, where that is known."""
        places = [place for place in np.flatnonzero(lacking).tolist() if users.numbers[place] >= 0]
        keys = {users.names[users.numbers[place]] for place in places}
        failures = store.failures(sorted(keys))
        for place in places:
            if (reason := failures.get(users.names[users.numbers[place]])) is not None:
                self._fail(place, reason)

    def _fail(self, place: int, reason: str) -> None:
        self.failed[place], self.reasons[place] = True, reason

    def states(self) -> list[str]:
        names = np.array(["pending", "generated", "failed", "scored"], dtype=object)
        state = np.where(self.there, 1, 0)
        state[self.failed] = 2
        state[~np.isnan(self.scores)] = 3
        return list(names[state])


class _Users:
    """Which places a key belongs to: several samples may share a trajectory, or a score."""

    def __init__(self, keys: Sequence[str | None]) -> None:
        self.keys: dict[str, int] = {}
        numbers = [-1 if key is None else self.keys.setdefault(key, len(self.keys)) for key in keys]
        self.numbers: Ints = np.array(numbers, dtype=np.int64)
        self.names = list(self.keys)
        self._order = np.argsort(self.numbers, kind="stable")
        self._starts = np.searchsorted(self.numbers[self._order], np.arange(len(self.keys) + 1))

    def of(self, keys: Sequence[str]) -> tuple[Ints, Ints]:
        """All places of these keys; for each the number of its key among these."""
        numbers = np.array([self.keys[key] for key in keys], dtype=np.int64)
        starts, ends = self._starts[numbers], self._starts[numbers + 1]
        rows = np.repeat(np.arange(len(keys)), ends - starts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(ends - starts) - (ends - starts), ends - starts)
        return self._order[starts[rows] + within], rows
