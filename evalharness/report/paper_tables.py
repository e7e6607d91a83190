"""The tables of a benchmark for a paper: scores, categories, and comparisons, each a float of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalharness._util.text import counted
from evalharness.analysis import Contrast
from evalharness.analysis.arms import records
from evalharness.report.cells import (
    INCOMPLETE,
    Cell,
    arm_score_cell,
    category_score,
    overall_score,
    part_cell,
    part_note,
)
from evalharness.report.formatting import (
    MISSING,
    distance_text,
    number_text,
    p_text,
    points_interval,
    points_text,
    score_text,
    slug,
)
from evalharness.report.latex_floats import TexCell, TexTable, floats
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

INTERVALS = "in brackets 95 % intervals over prompts"


def scores(summary: Summary, sources: Sequence[str]) -> str:
    """The overall scores with the differences to the baseline, and quoted scores with their sources."""
    rows, baseline, diversity = summary.rows, summary.analysis.baseline, summary.analysis.diversity.arms
    overall = {arm: arm_score_cell(overall_score(row)) for arm, row in rows.items()}
    best = _best(overall.values())
    compared = any(not math.isnan(row["difference"]) for row in rows.values())
    columns = ["Arm", "Overall", *(["Difference", "p"] if compared else []), *(["Diversity"] if diversity else [])]
    body = []
    for row in rows.values():
        cells = [TexCell(row["arm"]), _score(overall[row["arm"]], best, overall[row["arm"]].note)]
        if compared:
            cells += _compared(None if row["baseline"] else summary.analysis.contrast(row["arm"]))
        if diversity:
            cells.append(
                TexCell(distance_text(diversity[row["arm"]].value.value) if row["arm"] in diversity else MISSING)
            )
        body.append(cells)
    numbers = {row["expected"] for row in rows.values()}
    size = f"{counted(max(row['prompts'] for row in rows.values()), 'prompt')}, {counted(max(numbers), 'image')} an arm"
    caption = f"{summary.title}: overall scores in per cent ({size}); {INTERVALS}; the best in bold."
    if compared:
        caption += (
            f" Differences to {baseline} in points, paired by prompt and seed; p corrected for multiple tests; "
            "a star: told apart from zero."
        )
    if diversity:
        caption += " Diversity: mean cosine distance of a prompt’s images."
    quoted = [
        [TexCell(str(row["name"])), _quoted(row, "overall"), *[TexCell("")] * (len(columns) - 2)]
        for row in records(summary.quoted)
    ]
    return floats(TexTable(columns, body, caption, f"tab:{slug(summary.benchmark)}", quoted, sources))


def categories(summary: Summary) -> str:
    """The score of each arm on each category."""
    names, rows = list(summary.analysis.weights), summary.rows
    cells = {name: {arm: part_cell(*category_score(row, name)) for arm, row in rows.items()} for name in names}
    best = {name: _best(cells[name].values()) for name in names}
    body = [
        [
            TexCell(arm),
            *(_score(cells[name][arm], best[name], part_note(*category_score(row, name)[1:])) for name in names),
        ]
        for arm, row in rows.items()
    ]
    quoted = [
        [TexCell(str(row["name"])), *(_quoted(row, f"category.{name}") for name in names)]
        for row in records(summary.quoted)
    ]
    caption = f"{summary.title} by category: mean scores in per cent; the best of each category in bold."
    if any(cell.mark == INCOMPLETE for of_category in cells.values() for cell in of_category.values()):
        caption += " Where images have no score, the mean of the others stands, with their number."
    columns = ["Arm", *(name.replace("_", " ") for name in names)]
    return floats(TexTable(columns, body, caption, f"tab:{slug(summary.benchmark)}-categories", quoted))


def contrasts(summary: Summary) -> str:
    """All comparisons of two arms."""
    body = []
    for contrast in summary.analysis.contrasts:
        name = f"{contrast.arm} – {contrast.baseline}"
        counts = [TexCell(f"{number:,}") for number in (contrast.flips.fixed, contrast.flips.broken)]
        body.append([TexCell(name), *_compared(contrast), *counts])
    caption = (
        f"{summary.title}, comparisons: differences in points, paired by prompt and seed, {INTERVALS}; p corrected for "
        "multiple tests (Holm for what was declared before the run, else Benjamini and Hochberg); a star: told apart "
        "from zero. Fixed: images that only the first arm gets right; broken: only the second."
    )
    columns = ["Comparison", "Difference", "p", "Fixed", "Broken"]
    return floats(TexTable(columns, body, caption, f"tab:{slug(summary.benchmark)}-comparisons"))


def recipe_contrasts(summary: Summary, frame: pd.DataFrame) -> str:
    """The comparisons of recipes, of which ``frame`` has the texts."""
    columns = {"difference, points": "Difference", "p adjusted": "p", "verdict": "Verdict"}
    body = [
        [TexCell(f"{row['recipe']} – {row['against']}"), *(TexCell(str(row[name])) for name in columns)]
        for row in records(frame)
    ]
    caption = (
        f"{summary.title}, trainings: differences of mean scores in points, in brackets 95 % intervals over trainings; "
        "p corrected for multiple tests (Holm for what was declared before the run, else Benjamini and Hochberg). In "
        "parentheses: trainings of a recipe."
    )
    label = f"tab:{slug(summary.benchmark)}-trainings"
    return floats(TexTable(["Comparison", *columns.values()], body, caption, label))


def _compared(contrast: Contrast | None) -> list[TexCell]:
    if contrast is None:
        return [TexCell(MISSING), TexCell("")]
    difference = contrast.difference
    interval = points_interval(difference.low, difference.high)
    return [
        TexCell(points_text(difference.value), interval, star=contrast.significant),
        TexCell(p_text(contrast.p_adjusted)),
    ]


def _score(cell: Cell, best: str, small: str) -> TexCell:
    return TexCell(cell.text, small, bold=cell.mark != INCOMPLETE and cell.text == best)


def _quoted(row: Mapping[str, Any], name: str) -> TexCell:
    value = row.get(name)
    return TexCell(MISSING if value is None or math.isnan(value) else number_text(100 * value))


def _best(cells: Iterable[Cell]) -> str:
    """The highest score as it is shown, which several may share; empty if there is none or only one arm."""
    known = [cell.value for cell in cells if cell.value is not None and not math.isnan(cell.value)]
    return score_text(max(known)) if len(known) > 1 else ""
