"""Links from numbers to images: only to those that the gallery has, and a command for the others."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from evalharness.analysis.arms import baseline
from evalharness.report.cells import Cell, PageTable, Row
from evalharness.report.gallery import GalleryContent
from evalharness.store.results import Results
from evalharness.types.score import is_right

if TYPE_CHECKING:
    import pandas as pd

CHANGES = {
    "fixed": (True, False),
    "broken": (False, True),
    "both-right": (True, True),
    "both-wrong": (False, False),
}
"""Changes between two arms: whether the image of one is right, and whether that of the other is."""
MARK = "∗"
"""Follows a number that has no image in the report."""


class GalleryLinks:
    """Knows which links of a report's tables lead to images."""

    def __init__(self, results: Results, gallery: GalleryContent, folder: str) -> None:
        """Count the samples of a gallery.

        Args:
            results: the run's results.
            gallery: what its gallery shows.
            folder: the name of the report's folder.
        """
        self.whole, self.folder = gallery.whole, folder
        self._baseline = baseline(results.arms)
        self._samples: dict[str, pd.DataFrame] = {
            str(name): samples for name, samples in gallery.shown.groupby("benchmark", sort=False)
        }
        self._right: dict[str, pd.DataFrame] = {}

    @property
    def command(self) -> str:
        """The command that writes a report with all images, in the folder that holds this one."""
        return f"evalharness report {shlex.quote(self.folder)} --out {shlex.quote(self.folder + '-all')}"

    def checked(self, table: PageTable) -> PageTable:
        """The table without links that lead to nothing.

        A number other than 0 that loses its link is marked, and the caption says how to see its images.
        """
        rows = [Row([self._checked(cell) for cell in row.cells], row.baseline) for row in table.rows]
        marked = any(cell.elsewhere for row in rows for cell in row.cells)
        note = f"{MARK} No image of these is in this report. This command makes one with all of them:" if marked else ""
        return replace(table, rows=rows, note=note, command=self.command if marked else "")

    def has(self, benchmark: str, item: str, seed_index: int) -> bool:
        """Whether the gallery shows a prompt and seed."""
        if self.whole:
            return True
        shown = self._samples.get(benchmark)
        return shown is not None and bool(((shown["item"] == item) & (shown["seed_index"] == seed_index)).any())

    def count(self, filters: Mapping[str, str]) -> int:
        """The number of samples that the gallery shows under some filters of a link."""
        samples = self._samples.get(filters["benchmark"])
        if samples is None:
            return 0
        if change := filters.get("change"):
            return self._changes(filters["benchmark"], filters["arm"], filters.get("vs") or self._baseline, change)
        chosen = samples["arm"] == filters["arm"]
        if category := filters.get("category"):
            chosen &= samples["category"] == category
        if outcome := filters.get("outcome"):
            chosen &= samples["state"] == outcome
        return int(chosen.sum())

    def _changes(self, benchmark: str, arm: str, other: str | None, change: str) -> int:
        right = self._right_by_arm(benchmark)
        if arm == other or arm not in right or other not in right:
            return 0
        pairs = right[[arm, other]].dropna()
        after, before = CHANGES[change]
        return int(((pairs[arm] == after) & (pairs[other] == before)).sum())

    def _right_by_arm(self, benchmark: str) -> pd.DataFrame:
        """Whether images are right, with a row for each prompt and seed and a column for each arm."""
        if benchmark not in self._right:
            samples = self._samples[benchmark]
            scored = samples[samples["state"] == "scored"]
            scored = scored.assign(right=is_right(scored["score"].to_numpy(float)).astype(float))
            self._right[benchmark] = scored.pivot(index=["item", "seed_index"], columns="arm", values="right")
        return self._right[benchmark]

    def _checked(self, cell: Cell) -> Cell:
        if not cell.href or self.count(dict(parse_qsl(cell.href.removeprefix("#")))):
            return cell
        counts_none = cell.value == 0 and cell.text == "0"
        return replace(cell, href="", elsewhere=not counts_none and not self.whole)
