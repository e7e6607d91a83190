"""How often people agree with the scorer, from the annotations that were added to the run's store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalharness._util.text import counted
from evalharness.analysis.agreement import Agreement, agreement
from evalharness.report.cells import Cell, PageTable, Row, score_cell
from evalharness.report.formatting import kappa_text, score_text
from evalharness.report.summary import Summary
from evalharness.store.annotations import Annotation
from evalharness.store.results import Results
from evalharness.types.score import is_right

COLUMNS = ["Category", "Verdicts", "Agree, %", "Right by the scorer, %", "Right by people, %"]


@dataclass(frozen=True, slots=True)
class People:
    """``sentence`` stands beside the score; ``table`` tells more."""

    sentence: str
    table: PageTable


def people(results: Results, summary: Summary) -> People | None:
    """The agreement of people with the scorer of a benchmark; ``None`` without annotations of its images."""
    samples = results.samples[results.samples["benchmark"] == summary.benchmark]
    categories = dict(zip(samples["item"], samples["category"], strict=True))
    scored = samples[samples["state"] == "scored"]
    scores = {
        (item, image): float(score)
        for item, image, score in zip(scored["item"], scored["image"], scored["score"], strict=True)
    }
    # The score is that of the run, which may have another scorer than the page on which a person judged.
    judged = [
        (annotation, scores[annotation.item, annotation.image])
        for annotation in results.annotations
        if annotation.benchmark == summary.benchmark and (annotation.item, annotation.image) in scores
    ]
    if not judged:
        return None
    total = _agreement(judged)
    rows = [_row("all", total)]
    for category in summary.analysis.weights:
        members = [pair for pair in judged if categories[pair[0].item] == category]
        if members:
            rows.append(_row(category.replace("_", " "), _agreement(members)))
    names = len({annotation.by for annotation, _ in judged})
    same, kappa = total.same, total.kappa
    sentence = (
        f"{'One person agrees' if names == 1 else f'{names} people agree'} with the scorer on "
        f"{score_text(same.value, same.low, same.high)} % of {counted(len(judged), 'verdict')} on "
        f"{counted(total.items, 'prompt')}; Cohen’s κ {kappa_text(kappa.value, kappa.low, kappa.high)}."
    )
    caption = (
        "What people said of the verdicts on this page: whether they agree that a picture is right, or wrong. "
        "Brackets: 95 % intervals over prompts. People see the scorer’s verdict first, and choose the pictures."
    )
    return People(sentence, PageTable("People and the scorer", caption, COLUMNS, rows))


def _agreement(judged: Sequence[tuple[Annotation, float]]) -> Agreement:
    """The agreement of people's verdicts with the scores of the same images, each right or not."""
    scorer = np.array([is_right(score) for _, score in judged], dtype=float)
    person = np.array([annotation.right for annotation, _ in judged], dtype=float)
    return agreement(scorer, person, [annotation.item for annotation, _ in judged])


def _row(name: str, agreed: Agreement) -> Row:
    same = score_cell(agreed.same.value, agreed.same.low, agreed.same.high)
    return Row(
        [
            Cell(name),
            Cell(str(agreed.samples), agreed.samples),
            same,
            score_cell(agreed.first),
            score_cell(agreed.second),
        ]
    )
