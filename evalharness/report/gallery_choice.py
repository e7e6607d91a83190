"""Chooses by rule which prompts and seeds a gallery shows if it cannot hold all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalharness._util.hashing import digest
from evalharness.analysis import Analysis
from evalharness.analysis.arms import records
from evalharness.analysis.grid import grid
from evalharness.report.json_values import compact_json
from evalharness.store.results import Results
from evalharness.types.score import is_right

if TYPE_CHECKING:
    import pandas as pd

Case = tuple[str, str, int]
"""A prompt and seed, with the samples of all arms: benchmark, item, seed index."""
ROW_BYTES = 120
"""Approximate size of a sample's row in the gallery's list."""
RULE = (
    "Chosen by rule, not by eye: prompts and seeds, each with all arms, so that every number of the tables that leads "
    "to images leads to one, then to two, and so on (each category; what each comparison fixed, broke, left right and "
    "left wrong; failures); a hash breaks ties between those that serve equally many numbers. Images on which arms "
    "differ are therefore more frequent here than in the run: take counts from the tables, not from here."
)
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Choice:
    """Cases, and which numbers of the page link to each of them.

    Such a number counts the images of a category, those that one arm fixed or broke against another, those that both
    have right or wrong, or those that failed.

    Attributes:
        cases: in the order of their hashes.
        links: (cases, numbers), whether a number counts an image of the case.
    """

    cases: list[Case]
    links: Booleans

    def ranked(self) -> Iterator[Case]:
        """All cases, ordered such that the first ones serve as many numbers as that many cases can."""
        return (self.cases[index] for index in ranked(self.links))

    def unserved(self, chosen: Collection[Case]) -> tuple[int, int]:
        """How many numbers have cases but none among the chosen ones, and how many have cases at all."""
        shown = np.array([case in chosen for case in self.cases], dtype=bool)
        linked = self.links.any(axis=0)
        return int((linked & ~self.links[shown].any(axis=0)).sum()), int(linked.sum())

    def rule_text(self, chosen: Sequence[Case]) -> str:
        """A sentence on how the cases were chosen, and one on how many numbers there was no room for."""
        unserved, linked = self.unserved(set(chosen))
        if not unserved:
            return RULE
        return f"{RULE} There was no room for an image of {unserved:,} of these {linked:,} numbers."


def choice(results: Results, analyses: Sequence[Analysis]) -> Choice:
    """The cases of all benchmarks together."""
    cases: list[Case] = []
    blocks: list[Booleans] = []
    for analysis in analyses:
        benchmark_cases, block = _links(results, analysis)
        cases += benchmark_cases
        blocks.append(block)
    links = np.zeros((len(cases), sum(block.shape[1] for block in blocks)), dtype=bool)
    row = column = 0
    for block in blocks:
        links[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    order = np.argsort([digest(["gallery", *case]) for case in cases], kind="stable")
    return Choice([cases[index] for index in order], links[order])


def ranked(links: Booleans) -> Iterator[int]:
    """The rows of ``links`` (cases, numbers), each once.

    No number is served again before all others were served as often. The next case is always the one that serves the
    most of the numbers that were served least so far; of several such cases, the first.

    >>> list(ranked(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 0]], dtype=bool)))
    [2, 0, 1, 3]
    """
    patterns, pattern_of_case = np.unique(links, axis=0, return_inverse=True)
    queues = [deque(np.flatnonzero(pattern_of_case == number).tolist()) for number in range(len(patterns))]
    served = np.zeros(links.shape[1], dtype=np.int64)
    remaining = patterns.astype(np.int64)
    empty = np.zeros(len(patterns), dtype=bool)
    while not empty.all():
        servable = remaining.any(axis=0)
        least = servable & (served == served[servable].min()) if servable.any() else servable
        gains = np.where(empty, -1, remaining @ least)
        best = min(np.flatnonzero(gains == gains.max()).tolist(), key=lambda number: queues[number][0])
        served += patterns[best]
        yield queues[best].popleft()
        if not queues[best]:
            remaining[best], empty[best] = 0, True


def _links(results: Results, analysis: Analysis) -> tuple[list[Case], Booleans]:
    """The cases of a benchmark, and which numbers count their images."""
    scores = grid(results, analysis.benchmark)
    items, seeds = scores.ids[scores.items].tolist(), scores.seeds.tolist()
    cases = [(analysis.benchmark, item, seed) for item, seed in zip(items, seeds, strict=True)]
    columns = [scores.categories == category for category in analysis.weights]
    for contrast in analysis.contrasts:
        arm, baseline = scores.column(contrast.arm), scores.column(contrast.baseline)
        both = ~np.isnan(arm) & ~np.isnan(baseline)
        for right in (True, False):
            columns += [both & (is_right(arm) == right) & (is_right(baseline) == before) for before in (True, False)]
    failed = scores.pivoted((scores.frame["state"] == "failed").astype(float)) == 1
    return cases, np.concatenate([np.stack(columns, axis=1), failed], axis=1)


class SamplesByCase:
    """The samples of a run by case."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self.samples = samples
        groups = samples.groupby(["benchmark", "item", "seed_index"], sort=False)
        self.indices: Mapping[Any, Any] = groups.indices

    def count(self, case: Case) -> int:
        return len(self.indices[case])

    def rows(self, case: Case) -> list[dict[str, Any]]:
        return records(self.samples.iloc[self.indices[case]])

    def frame(self, cases: Sequence[Case]) -> pd.DataFrame:
        """The samples of some cases, in the order of the run."""
        return self.samples.iloc[np.sort(np.concatenate([self.indices[case] for case in cases]))]


class GallerySize:
    """The bytes that samples add to a gallery: images, trajectories and score details, each once.

    Thumbnails do not count.
    """

    def __init__(self, results: Results, image_bytes: Callable[[str], int]) -> None:
        self.results, self.image_bytes = results, image_bytes
        self.seen: set[str] = set()

    def added(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """The bytes that these samples add to those before."""
        return sum(self._sample(row) for row in rows)

    def _sample(self, row: Mapping[str, Any]) -> int:
        size = self._image(row["image"]) + ROW_BYTES
        if self._is_new(key := row["trajectory"]):
            steps = self.results.steps(key)
            size += _sheet_bytes(steps) + sum(self._image(step["image"]) for step in steps)
        if self._is_new(key := row["score_key"]):
            size += _sheet_bytes(self.results.details(key))
        return size

    def _image(self, digest: Any) -> int:
        return self.image_bytes(digest) if self._is_new(digest) else 0

    def _is_new(self, key: Any) -> bool:
        if not isinstance(key, str) or key in self.seen:
            return False
        self.seen.add(key)
        return True


def _sheet_bytes(value: Any) -> int:
    """The size of a value in a data sheet, in which quotes and backslashes are escaped."""
    text = compact_json(value)
    return len(text) + text.count('"') + text.count("\\")
