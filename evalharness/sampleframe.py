"""The samples of a plan as one frame, read from the store in chunks: a million of them fit in memory.

Says the same of each sample as :func:`evalharness.status.standings`, which holds every step of every trajectory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from evalharness.plan import Plan
from evalharness.results import SAMPLE_COLUMNS
from evalharness.status import NO_IMAGE
from evalharness.store import Store, Stored, final_image

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 5000
_End = tuple[str | None, int, int, int, float, float]
"""Of a trajectory up to a cap: the last image, iterations, evaluations, tokens, seconds, dollars."""


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
        self.there = np.zeros(count, dtype=bool)
        self.failed = np.zeros(count, dtype=bool)
        self.scores = np.full(count, math.nan)
        self.reasons = [""] * count
        self.images: list[str | None] = [None] * count
        self.keys: list[str | None] = [None] * count
        self.iterations, self.evaluations, self.tokens = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.seconds, self.dollars = np.zeros(count), np.zeros(count)

    def read_trajectories(self, store: Store) -> None:
        users: dict[str, list[int]] = {}
        for place, sample in enumerate(self.plan.samples):
            users.setdefault(sample.job, []).append(place)
        for keys in _chunks(users):
            stored, failures = store.trajectories(keys), store.failures(keys)
            for key in keys:
                ends: dict[int | None, _End] = {}
                for place in users[key]:
                    self._take(place, stored.get(key), failures.get(key), ends)

    def _take(self, place: int, stored: Stored | None, failure: str | None, ends: dict[int | None, _End]) -> None:
        sample = self.plan.samples[place]
        cap = sample.arm.cap
        if stored is None or not stored.covers(cap):
            self._fail(place, failure)
            return
        if cap not in ends:
            ends[cap] = _end(stored, cap)
        self.there[place] = True
        image, self.iterations[place], self.evaluations[place], self.tokens[place] = ends[cap][:4]
        self.seconds[place], self.dollars[place] = ends[cap][4:]
        self.images[place] = image
        if image is None:
            self._fail(place, NO_IMAGE)
        else:
            self.keys[place] = self.plan.protocols[sample.benchmark].score_key(image, sample.item)

    def read_scores(self, store: Store) -> None:
        places = [place for place, key in enumerate(self.keys) if key is not None]
        for chunk in _chunks(places):
            keys = [key for place in chunk if (key := self.keys[place]) is not None]
            scores, failures = store.scores(keys), store.failures(keys)
            for place, key in zip(chunk, keys, strict=True):
                if key in scores:
                    self.scores[place], self.reasons[place] = scores[key].value, scores[key].reason
                else:
                    self._fail(place, failures.get(key))

    def _fail(self, place: int, reason: str | None) -> None:
        if reason is not None:
            self.failed[place], self.reasons[place] = True, reason

    def states(self) -> list[str]:
        names = np.array(["pending", "generated", "failed", "scored"], dtype=object)
        state = np.where(self.there, 1, 0)
        state[self.failed] = 2
        state[~np.isnan(self.scores)] = 3
        return list(names[state])


def _end(stored: Stored, cap: int | None) -> _End:
    steps = stored.prefix(cap)
    iterations = evaluations = tokens = 0
    seconds = dollars = 0.0
    for step in steps:
        iterations = max(iterations, step.iteration)
        evaluations += step.evaluations
        tokens += step.tokens
        seconds += step.seconds
        dollars += step.dollars
    return final_image(steps), iterations, evaluations, tokens, seconds, dollars


def _chunks(keys: Any) -> Iterator[Sequence[Any]]:
    remaining = iter(keys)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
