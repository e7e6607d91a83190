"""The tables of a page as cells, each with its text, sort value and link to the gallery.

Every cell with a measured score is made here, for the tables of a paper and of a terminal, too, so that none shows a
score without what is missing of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from evalharness.analysis.arm_scores import ArmScore
from evalharness.analysis.stats import Estimate
from evalharness.report.formatting import MISSING, mean_text, p_text, points_interval, possible_text, score_text

INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: the text to show.
        value: the number to sort by, if there is one.
        note: small text beside or below.
        href: a link to samples in the gallery.
        mark: ``strong`` for a difference, ``incomplete`` where samples are missing.
        elsewhere: whether it counts images of which the report has none.
    """

    text: str
    value: float | None = None
    note: str = ""
    href: str = ""
    mark: str = ""
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    cells: list[Cell]
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of the page.

    Attributes:
        columns: their headings; the first column names the row.
        words: headings of the columns that hold text; the others hold numbers.
        quoted: rows of published numbers, which are marked and sort among themselves.
        note: what follows the caption, with a ``command``.
    """

    title: str
    caption: str
    columns: list[str]
    rows: list[Row]
    words: frozenset[str] = frozenset()
    quoted: list[Row] = field(default_factory=list)
    note: str = ""
    command: str = ""

    def without(self, *names: str) -> PageTable:
        """The table without some columns."""
        kept = [index for index, name in enumerate(self.columns) if name not in names]
        return replace(
            self,
            columns=[self.columns[index] for index in kept],
            rows=[Row([row.cells[index] for index in kept], row.baseline) for row in self.rows],
            quoted=[Row([row.cells[index] for index in kept], row.baseline) for row in self.quoted],
        )


def score_cell(value: float, low: float = math.nan, high: float = math.nan) -> Cell:
    """A score with its interval below."""
    return Cell(score_text(value), value, points_interval(low, high))


def estimate_cell(estimate: Estimate | None) -> Cell:
    """A score with its interval; a dash for none."""
    return Cell(MISSING, math.nan) if estimate is None else score_cell(estimate.value, estimate.low, estimate.high)


def arm_score_cell(score: ArmScore) -> Cell:
    """The overall score of an arm, or the range of possible values if samples are missing."""
    if math.isnan(score.known.value):
        text = possible_text(*score.bounds)
        return Cell(text, math.nan, f"{INCOMPLETE}: {score.coverage}", mark=INCOMPLETE)
    return estimate_cell(score.known)


def arm_score_text(score: ArmScore) -> str:
    """The cell of an arm's overall score as text."""
    cell = arm_score_cell(score)
    return f"{INCOMPLETE}: {cell.text} ({score.coverage})" if cell.mark else f"{cell.text} {cell.note}".rstrip()


def overall_score(row: Mapping[str, Any]) -> ArmScore:
    """The overall score of a row of the wide table."""
    overall = Estimate(row["overall"], row["overall_low"], row["overall_high"])
    return ArmScore(overall, (row["bound_low"], row["bound_high"]), row["scored"], row["expected"])


def part_cell(estimate: Estimate, scored: int, expected: int) -> Cell:
    """A mean over a part of an arm's samples, such as a category.

    If samples are missing, it is the mean of the others and says so; it has no number, so that it is never the best.
    """
    cell, missing = estimate_cell(estimate), part_note(scored, expected)
    if not missing:
        return cell
    return replace(cell, value=math.nan, note=f"{cell.note}\n{missing}".strip(), mark=INCOMPLETE)


def part_text(estimate: Estimate, scored: int, expected: int) -> str:
    """What :func:`part_cell` shows, as text."""
    cell, missing = estimate_cell(estimate), part_note(scored, expected)
    return f"{cell.text} {cell.note}".rstrip() + (f" ({missing})" if missing else "")


def part_note(scored: int, expected: int) -> str:
    """What is said beside the mean of a part: how much of it is scored, if not all."""
    return f"{scored}/{expected} scored" if scored < expected else ""


def category_score(row: Mapping[str, Any], category: str) -> tuple[Estimate, int, int]:
    """The mean of a category of a row of the wide table, and the numbers of scored and of expected samples."""
    name = f"category.{category}"
    estimate = Estimate(row[name], row[f"{name}.low"], row[f"{name}.high"])
    return estimate, row[f"{name}.scored"], row[f"{name}.expected"]


def coverage_cell(row: Mapping[str, Any]) -> Cell:
    """The numbers of scored and expected samples; the cell sorts by the number of scored ones."""
    return Cell(row["coverage"], row["scored"], mark="incomplete" if row["scored"] < row["expected"] else "")


def p_cell(p: float) -> Cell:
    """A p-value."""
    return Cell(p_text(p), p)


def mean_cell(value: float, decimals: int = 1) -> Cell:
    return Cell(mean_text(value, decimals), value)


def share_cell(part: float, total: float) -> Cell:
    """A share of a variance in per cent."""
    share = part / total if total > 0 else math.nan
    return Cell(share_text(part, total), share)


def share_text(part: float, total: float) -> str:
    """A share of a variance in per cent, or a dash."""
    share = part / total if total > 0 else math.nan
    return MISSING if math.isnan(share) else f"{100 * share:.0f} %"


def blank_cells(count: int) -> list[Cell]:
    return [Cell("", math.nan)] * count


def gallery_link(benchmark: str, **filters: str) -> str:
    """A link to the samples that pass these filters of the gallery."""
    return "#" + urlencode({"benchmark": benchmark, **filters})
