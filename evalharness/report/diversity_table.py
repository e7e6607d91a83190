"""How much the images of a prompt differ, beside the scores: all seeds may give one picture that is right."""

from __future__ import annotations

import math
from collections.abc import Iterator

from evalharness._util.text import counted, some_of
from evalharness.analysis.stats import Estimate
from evalharness.report.cells import Cell, PageTable, Row
from evalharness.report.formatting import MISSING, distance_text
from evalharness.report.summary import Summary

NAMED = 3
"""Arms that a warning names."""
CAPTION = (
    "Mean cosine distance of the image features of a prompt’s seeds, over all pairs: 0 if all seeds give the same "
    "picture. Mean over prompts, weighted over categories like the score; 95 % intervals over prompts. Difference: "
    "to the baseline, prompt by prompt; bold where its interval excludes zero (not corrected for the number of arms). "
    "Distances of other encoders cannot be compared with these."
)


def diversity_cell(summary: Summary, arm: str) -> Cell:
    """An arm's diversity, for the headline; its interval is in the table of the diversity."""
    found = summary.analysis.diversity.arms.get(arm)
    if found is None or math.isnan(found.value.value):
        return Cell(MISSING, math.nan)
    mark = "strong" if found.difference.excludes_zero else ""
    return Cell(distance_text(found.value.value), found.value.value, mark=mark)


def diversity_table(summary: Summary) -> PageTable | None:
    """The diversity of each arm beside its score; ``None`` if it was not measured."""
    diversity = summary.analysis.diversity
    if not diversity.arms:
        return None
    rows = []
    for arm, found in diversity.arms.items():
        row = summary.rows[arm]
        score = Cell(MISSING, math.nan)
        if not math.isnan(row["overall"]):
            score = Cell(f"{100 * row['overall']:.1f}", row["overall"])
        difference = _cell(found.difference, signed=True)
        if row["baseline"]:
            difference = Cell("baseline")
        prompts = Cell(f"{found.value.prompts:,}", found.value.prompts)
        rows.append(Row([Cell(arm), score, _cell(found.value), difference, prompts], bool(row["baseline"])))
    caption = CAPTION
    if diversity.lacking:
        caption += f" {counted(diversity.lacking, 'image')} without features left out; run the sweep again."
    return PageTable("Diversity across seeds", caption, ["Arm", "Overall", "Diversity", "Difference", "Prompts"], rows)


def collapses(summary: Summary) -> Iterator[str]:
    """A warning of the arms that score higher than the baseline, and whose images of a prompt are more alike."""
    arms = []
    for arm, found in summary.analysis.diversity.arms.items():
        contrast = summary.analysis.contrast(arm)
        if contrast and contrast.significant and contrast.difference.value > 0 and found.difference.high < 0:
            arms.append(f"{arm} ({distance_text(found.difference.value)} {_interval(found.difference)})")
    if arms:
        yield (
            f"some arms score higher than {summary.analysis.baseline}, but their images of a prompt are more alike "
            f"(difference in diversity): {some_of(arms, NAMED)}."
        )


def _cell(estimate: Estimate, *, signed: bool = False) -> Cell:
    if math.isnan(estimate.value):
        return Cell(MISSING, math.nan)
    mark = "strong" if signed and estimate.excludes_zero else ""
    return Cell(distance_text(estimate.value, signed=signed), estimate.value, _interval(estimate), mark=mark)


def _interval(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return ""
    return f"[{distance_text(estimate.low)}, {distance_text(estimate.high)}]"
