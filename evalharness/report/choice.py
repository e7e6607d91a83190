"""Which prompts and seeds a gallery carries that cannot carry all: chosen by rule, never by eye."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalharness._util.hashing import digest
from evalharness.analysis import Analysis
from evalharness.analysis.arms import records
from evalharness.analysis.grid import grid
from evalharness.report.sheets import plain
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

Case = tuple[str, str, int]
"""A prompt and seed with all that the arms made of it: benchmark, item, seed index."""
ROW = 120
"""Bytes of a sample's row in the gallery's list, about."""
RULE = (
    "Chosen by rule, not by eye: prompts and seeds, each with all arms, so that every number of the tables that leads "
    "to images leads to one, then to two, and so on (each category; what each comparison fixed, broke, left right and "
    "left wrong; failures); among those that serve as many such numbers a hash decides. So images on which arms differ "
    "are more frequent here than in the run: count in the tables, not here."
)
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Choice:
    """``cases`` stand in an order of hashes; ``ends`` (cases, ends) says which numbers of the page lead to which.

    An end is what a number of the tables counts: the images of a category, those that one arm fixed or broke against
    another, that both have right or wrong, and those that failed.
    """

    cases: list[Case]
    ends: Bools

    def in_turn(self) -> Iterator[Case]:
        """All cases. The first serve as many ends as so many can; fewer are a part of more."""
        return (self.cases[place] for place in in_turn(self.ends))

    def unserved(self, chosen: Collection[Case]) -> tuple[int, int]:
        """How many of the ends that have a case have none among these, and how many have one at all."""
        inside = np.array([case in chosen for case in self.cases], dtype=bool)
        there = self.ends.any(axis=0)
        return int((there & ~self.ends[inside].any(axis=0)).sum()), int(there.sum())


def choice(results: Results, analyses: Sequence[Analysis]) -> Choice:
    """Of all benchmarks together."""
    found: list[Case] = []
    tables: list[Bools] = []
    for analysis in analyses:
        names, wanted = _wanted(results, analysis)
        found += names
        tables.append(wanted)
    ends = np.zeros((len(found), sum(table.shape[1] for table in tables)), dtype=bool)
    row = column = 0
    for table in tables:
        ends[row : row + table.shape[0], column : column + table.shape[1]] = table
        row, column = row + table.shape[0], column + table.shape[1]
    ranks = np.argsort([digest(["gallery", *case]) for case in found], kind="stable")
    return Choice([found[place] for place in ranks], ends[ranks])


def in_turn(ends: Bools) -> Iterator[int]:
    """The rows of ``ends`` (cases, ends), each once: no end is sought out again before all were served as often.

    Next is always the case that serves most of the ends that were served least so far, of several the first.

    >>> list(in_turn(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 0]], dtype=bool)))
    [2, 0, 1, 3]
    """
    patterns, which = np.unique(ends, axis=0, return_inverse=True)
    queues = [deque(np.flatnonzero(which == number).tolist()) for number in range(len(patterns))]
    served = np.zeros(ends.shape[1], dtype=np.int64)
    left = patterns.astype(np.int64)
    empty = np.zeros(len(patterns), dtype=bool)
    while not empty.all():
        open_ = left.any(axis=0)
        least = open_ & (served == served[open_].min()) if open_.any() else open_
        gains = np.where(empty, -1, left @ least)
        best = min(np.flatnonzero(gains == gains.max()).tolist(), key=lambda number: queues[number][0])
        served += patterns[best]
        yield queues[best].popleft()
        if not queues[best]:
            left[best], empty[best] = 0, True


def _wanted(results: Results, analysis: Analysis) -> tuple[list[Case], Bools]:
    """The cases of a benchmark, and which ends each of them serves."""
    table = grid(results, analysis.benchmark)
    items, seeds = table.ids[table.items].tolist(), table.seeds.tolist()
    names = [(analysis.benchmark, item, seed) for item, seed in zip(items, seeds, strict=True)]
    columns = [table.categories == category for category in analysis.weights]
    for contrast in analysis.contrasts:
        own, other = table.column(contrast.arm), table.column(contrast.baseline)
        both = ~np.isnan(own) & ~np.isnan(other)
        columns += [
            both & ((own == 1) == right) & ((other == 1) == was) for right in (True, False) for was in (True, False)
        ]
    failed = table.pivoted((table.frame["state"] == "failed").astype(float)) == 1
    return names, np.concatenate([np.stack(columns, axis=1), failed], axis=1)


class Cases:
    """The samples of a run by case."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self.samples = samples
        groups = samples.groupby(["benchmark", "item", "seed_index"], sort=False)
        self.places: Mapping[Any, Any] = groups.indices

    def count(self, case: Case) -> int:
        return len(self.places[case])

    def rows(self, case: Case) -> list[dict[str, Any]]:
        return records(self.samples.iloc[self.places[case]])

    def frame(self, cases: Sequence[Case]) -> pd.DataFrame:
        """In the order of the run."""
        return self.samples.iloc[np.sort(np.concatenate([self.places[case] for case in cases]))]


class Weigher:
    """The bytes that samples add to a page: images, trajectories and evidence, each once. Thumbnails do not count."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.seen: set[str] = set()

    def added(self, rows: Sequence[Mapping[str, Any]]) -> int:
        return sum(self._row(row) for row in rows)

    def _row(self, row: Mapping[str, Any]) -> int:
        size = self._image(row["image"]) + ROW
        if self._new(key := row["trajectory"]):
            steps = self.results.steps(key)
            size += _length(steps) + sum(self._image(step["image"]) for step in steps)
        if self._new(key := row["score_key"]):
            size += _length(self.results.details(key))
        return size

    def _image(self, digest: Any) -> int:
        if not self._new(digest):
            return 0
        try:
            return self.results.image_path(digest).stat().st_size
        except OSError:
            return 0

    def _new(self, key: Any) -> bool:
        if not isinstance(key, str) or key in self.seen:
            return False
        self.seen.add(key)
        return True


def said(chosen: Choice, kept: Sequence[Case]) -> str:
    """How the part was chosen, in words, and what found no room."""
    without, ends = chosen.unserved(set(kept))
    lack = f" There was no room for an image of {without:,} of these {ends:,} numbers." if without else ""
    return f"{RULE}{lack}"


def _length(value: Any) -> int:
    return len(json.dumps(plain(value), separators=(",", ":")))
