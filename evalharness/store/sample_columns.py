"""Reads the samples of a store in one pass as columns, so that a million samples fit in memory.

Both the states of a few samples and the frame of all samples are derived from these columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from evalharness._util.chunking import chunks
from evalharness._util.gc_paused import gc_paused
from evalharness.planning.plan import Plan, Sample
from evalharness.store.failures import StoredFailure
from evalharness.store.places import Places
from evalharness.store.results import SAMPLE_COLUMNS
from evalharness.store.store import Store
from evalharness.store.trajectories import StoredTrajectory
from evalharness.store.trajectory_columns import NO_CAP, Ints

if TYPE_CHECKING:
    import pandas as pd

State = Literal["pending", "generated", "scored", "failed"]
NO_IMAGE = "the model drew no image"
NOT_GENERATED = -1


class SampleColumns:
    """Lists and arrays with an entry for each sample.

    ``steps`` is the number of steps in the prefix of the sample's arm, -1 if that is not generated; ``scores`` are NaN
    where there is none. ``drawn`` and ``judged`` say when and where; ``begun`` lists samples, by place, whose first
    steps were made in other environments than the last, with these and the time. ``continued`` says whether a step
    follows on stored ones, ``cut`` whether a text ended at its limit of tokens, ``transparent`` whether the image came
    transparent.
    """

    @gc_paused()
    def __init__(self, plan: Plan, store: Store, samples: Sequence[Sample]) -> None:
        self.samples = samples
        count = len(samples)
        self.steps = np.full(count, NOT_GENERATED, dtype=np.int64)
        self.failed = np.zeros(count, dtype=bool)
        self.failures: dict[int, StoredFailure] = {}
        """By place."""
        self.scores = np.full(count, math.nan)
        self.reasons = np.full(count, "", dtype=object)
        self.images: list[str | None] = [None] * count
        self.score_keys: list[str | None] = [None] * count
        self.iterations, self.evaluations, self.tokens = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.refinements = np.zeros(count, dtype=np.int64)
        self.seconds, self.dollars = np.zeros(count), np.zeros(count)
        self.drawn, self.judged = Places(count), Places(count)
        self.begun: list[tuple[int, str | None, int | None]] = []
        self.continued, self.cut, self.transparent = (np.zeros(count, dtype=bool) for _ in range(3))
        self._read_trajectories(plan, store)
        self._read_scores(store)
        self._require_possible_scores(plan, store)

    def steps_at(self, place: int) -> int | None:
        """Return the number of steps of a sample's prefix, ``None`` if it is not generated."""
        steps = int(self.steps[place])
        return None if steps == NOT_GENERATED else steps

    def states(self) -> list[State]:
        """Return the state of each sample."""
        names = np.array(["pending", "generated", "failed", "scored"], dtype=object)
        numbers = np.where(self.steps == NOT_GENERATED, 0, 1)
        numbers[self.failed] = 2
        numbers[~np.isnan(self.scores)] = 3
        return list(names[numbers])

    @gc_paused()
    def frame(self) -> pd.DataFrame:
        """Return one row for each sample with the columns of ``Results.samples``."""
        import pandas as pd

        samples, generated, scored = self.samples, self.steps != NOT_GENERATED, ~np.isnan(self.scores)
        columns = {
            "benchmark": [sample.benchmark for sample in samples],
            "arm": [sample.arm.name for sample in samples],
            "item": [sample.item.id for sample in samples],
            "category": [sample.item.category for sample in samples],
            "prompt": [sample.item.prompt for sample in samples],
            "seed_index": [sample.seed_index for sample in samples],
            "seed": [sample.seed for sample in samples],
            "state": self.states(),
            "score": self.scores,
            "reason": self.reasons,
            "image": self.images,
            "trajectory": [sample.job if drawn else None for sample, drawn in zip(samples, generated, strict=True)],
            "score_key": [key if has_score else None for key, has_score in zip(self.score_keys, scored, strict=True)],
            "iterations": self.iterations,
            "evaluations": self.evaluations,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "dollars": self.dollars,
            "transparent": self.transparent,
            "refinements": self.refinements,
        }
        return pd.DataFrame(columns, columns=list(SAMPLE_COLUMNS))

    def _read_trajectories(self, plan: Plan, store: Store) -> None:
        samples, jobs = self.samples, _Keys([sample.job for sample in self.samples])
        caps = np.array([NO_CAP if sample.arm.cap is None else sample.arm.cap for sample in samples], dtype=np.int64)
        for stored, steps in store.trajectories.columns(sorted(jobs.numbers)):
            places, rows = jobs.places(list(stored))
            trajectories = list(stored.values())
            covered = [
                trajectories[row].covers(samples[place].arm.cap)
                for place, row in zip(places.tolist(), rows.tolist(), strict=True)
            ]
            places, rows = places[covered], rows[covered]
            prefixes = steps.prefixes(rows, caps[places])
            self.steps[places] = prefixes.lengths
            self.iterations[places] = prefixes.iterations
            for name, values in prefixes.costs.items():
                getattr(self, name)[places] = values
            self.continued[places], self.cut[places] = prefixes.continued, prefixes.cut
            self.transparent[places] = prefixes.transparent
            self.refinements[places] = prefixes.refinements
            self.drawn.set(places, rows, [(item.environment, item.made) for item in trajectories])
            self._set_stretches(trajectories, places, rows)
            self._set_images(plan, places.tolist(), prefixes.images)
        self._read_failures(store, jobs, self.steps == NOT_GENERATED)

    def _set_stretches(self, trajectories: Sequence[StoredTrajectory], places: Ints, rows: Ints) -> None:
        """Correct where samples were drawn whose trajectories were made in several environments."""
        if not any(trajectory.earlier for trajectory in trajectories):
            return
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            if trajectories[row].earlier:
                *begun, (_, environment, made) = trajectories[row].places(int(self.steps[place]))
                self.drawn.set(np.array([place]), np.array([0]), [(environment, made)])
                times = {name: time for _, name, time in begun if name != environment}
                self.begun += [(place, name, time) for name, time in times.items()]

    def _set_images(self, plan: Plan, places: Sequence[int], images: Sequence[str | None]) -> None:
        for place, image in zip(places, images, strict=True):
            if image is None:
                self._fail(place, StoredFailure(NO_IMAGE))
            else:
                sample = self.samples[place]
                self.images[place] = image
                self.score_keys[place] = plan.benchmarks[sample.benchmark].score_key(image, sample.item)

    def _read_scores(self, store: Store) -> None:
        score_keys = _Keys(self.score_keys)
        for chunk in chunks(store.scores.values(sorted(score_keys.numbers)), 5000):
            keys, values, reasons, *origins = zip(*chunk, strict=True)
            places, rows = score_keys.places(keys)
            self.scores[places] = np.array(values, dtype=float)[rows]
            self.reasons[places] = np.array(reasons, dtype=object)[rows]
            self.judged.set(places, rows, list(zip(*origins, strict=True)))
        self._read_failures(store, score_keys, np.isnan(self.scores))

    def _require_possible_scores(self, plan: Plan, store: Store) -> None:
        with np.errstate(invalid="ignore"):
            unusual = np.flatnonzero((self.scores < 0) | (self.scores > 1))
        for place in unusual.tolist():
            plan.benchmarks[self.samples[place].benchmark].require_possible(float(self.scores[place]), store.path)

    def _read_failures(self, store: Store, keys: _Keys, missing: npt.NDArray[np.bool_]) -> None:
        """Read why samples are not generated, or not scored."""
        keys_by_place = {place: key for place in np.flatnonzero(missing).tolist() if (key := keys.key_at(place))}
        failures = store.failures.get(sorted(set(keys_by_place.values())))
        for place, key in keys_by_place.items():
            failure = failures.get(key)
            if failure is not None and failure.concerns(self.samples[place].arm.cap):
                self._fail(place, failure)

    def _fail(self, place: int, failure: StoredFailure) -> None:
        self.failed[place], self.reasons[place], self.failures[place] = True, failure.reason, failure


class _Keys:
    """The places of each key; samples may share a trajectory or a score, and so a key."""

    def __init__(self, keys: Sequence[str | None]) -> None:
        self.numbers: dict[str, int] = {}
        """Distinct keys, numbered in the order of their first place."""
        numbers = [-1 if key is None else self.numbers.setdefault(key, len(self.numbers)) for key in keys]
        self._keys = keys
        number_at: Ints = np.array(numbers, dtype=np.int64)
        self._order = np.argsort(number_at, kind="stable")
        self._starts = np.searchsorted(number_at[self._order], np.arange(len(self.numbers) + 1))

    def key_at(self, place: int) -> str | None:
        return self._keys[place]

    def places(self, keys: Sequence[str]) -> tuple[Ints, Ints]:
        """Return all places of ``keys``, and for each place the index of its key in ``keys``."""
        numbers = np.array([self.numbers[key] for key in keys], dtype=np.int64)
        starts, ends = self._starts[numbers], self._starts[numbers + 1]
        rows = np.repeat(np.arange(len(keys)), ends - starts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(ends - starts) - (ends - starts), ends - starts)
        return self._order[starts[rows] + within], rows
