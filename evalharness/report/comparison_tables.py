"""The tables and sentences of a page that compares runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalharness.analysis.arm_scores import ArmScore, arm_scores
from evalharness.analysis.comparison import Compared, Comparison
from evalharness.analysis.letters import labelled, letter
from evalharness.report.cells import INCOMPLETE, Cell, PageTable, Row, arm_score_cell, p_cell
from evalharness.report.claims import Claim, brief_text
from evalharness.report.formatting import MISSING, number_text, points_interval, points_text
from evalharness.report.joined_runs import leading_pairs, ordered_arms
from evalharness.report.overview import model_names
from evalharness.report.run_differences import ENVIRONMENT, RunDifference, incomparable
from evalharness.store.results import Results

NOT_COMPARABLE, PERHAPS_NOT = "≠", "≈"
OTHER = "Other than in A"
PAIRING = {"seeds": "prompt and seed", "prompts": "prompt", "none": "nothing"}


def scores_table(
    runs: Sequence[Results], comparison: Comparison, differences: Sequence[RunDifference], titles: Mapping[str, str]
) -> PageTable:
    """A row for each compared arm of each run, a column for each benchmark, and what a row differs in."""
    found = [{name: arm_scores(run, name) for name in run.info["benchmarks"]} for run in runs]
    rows = []
    for number, arm in ordered_arms(comparison):
        cells = [Cell(labelled(number, arm), note=model_names(runs[number], _models(runs[number], arm)))]
        reasons = []
        for benchmark, title in titles.items():
            kinds = incomparable(differences, benchmark, number, _reference(runs, benchmark))
            cells.append(_score_cell(found[number].get(benchmark, {}).get(arm), kinds))
            if kinds:
                where = f"{title}: " if len(titles) > 1 else ""
                reasons.append(where + ", ".join(kinds))
        rows.append(Row([*cells, Cell("; ".join(reasons) or MISSING)], baseline=number == 0))
    caption = (
        "Overall scores in per cent, with 95 % intervals over prompts. The rows of run A are shaded. "
        f"{NOT_COMPARABLE}: not comparable with the first run on that benchmark, because prompts, scorer or protocol "
        f"are others. {PERHAPS_NOT}: drawn or scored in another environment, which can change single images."
    )
    return PageTable(
        "Scores",
        caption,
        ["Arm", *titles.values(), OTHER],
        rows,
        frozenset([OTHER]),
    )


def contrasts_table(comparison: Comparison, benchmark: str, differences: Sequence[RunDifference]) -> PageTable:
    """The differences on a benchmark, a row for each pair of arms."""
    rows = []
    for pair in comparison.compared:
        if pair.benchmark == benchmark:
            kinds = incomparable(differences, benchmark, pair.runs[1], pair.runs[0])
            rows.append(Row(_contrast_cells(pair, kinds)))
    several = any(pair.runs != (0, 1) for pair in comparison.compared)
    scores = ["A", "The other run" if several else "B"]
    columns = ["Arms", *scores, "Difference", "p", "Paired by", "Pairs", "Fixed", "Broken", OTHER]
    caption = (
        "Difference: in points, over the prompts and seeds that both have; bold where it can be told from zero. "
        "p: by sign flips of whole prompts, corrected over all differences of this page. "
        "Scores: over all samples of each. Fixed: right where the arm of run A is wrong; broken: the other "
        "way round. Without pairs the interval is that of independent runs, and there is no p."
    )
    return PageTable("Differences", caption, columns, rows, frozenset(["Paired by", OTHER]))


def differences_table(
    runs: Sequence[Results], differences: Sequence[RunDifference], titles: Mapping[str, str]
) -> PageTable:
    """What runs differ in, a column for each run."""
    rows = [
        Row([Cell(found.what, note=titles.get(found.benchmark, "")), *(Cell(text) for text in found.values)])
        for found in differences
    ]
    columns = ["What", *(letter(number) for number in range(len(runs)))]
    return PageTable("What differs", "", columns, rows, frozenset(columns[1:]))


def comparison_claims(
    runs: Sequence[Results], comparison: Comparison, differences: Sequence[RunDifference], titles: Mapping[str, str]
) -> list[Claim]:
    """A sentence for each pair of arms; those with the highest cap of each kind come first."""
    return [_claim(pair, differences, titles[pair.benchmark]) for pair in leading_pairs(runs, comparison)]


def _claim(pair: Compared, differences: Sequence[RunDifference], title: str) -> Claim:
    first, second = pair.labels
    difference = pair.difference
    grave = pair.otherwise
    told_apart = pair.contrast is not None and pair.contrast.significant and not grave
    open_sign = pair.contrast is not None and pair.contrast.distinction == "open"
    brief = brief_text(difference, pair.contrast.possible if pair.contrast and open_sign else None)
    relation = "cannot be told apart from"
    if difference.state == "none":
        relation, brief = "cannot yet be compared with", "too few samples are scored"
    elif grave:
        relation = f"was scored by another {' and '.join(grave)} than"
        brief += ", which may be the scoring alone"
    elif pair.pairing == "none":
        relation = "shares no prompt with"
        brief += ", not paired"
    elif told_apart:
        points = 100 * difference.value
        relation = f"is {number_text(abs(points))} points {'above' if points > 0 else 'below'}"
    elif open_sign:
        relation = "cannot yet be told apart from"
    elif difference.state != "known":
        brief += ", too few prompts for an interval"
    return Claim(pair.benchmark, second, relation, f"{first} on {title}", brief, told_apart, brief)


def _contrast_cells(pair: Compared, kinds: Sequence[str]) -> list[Cell]:
    first, second = pair.labels
    gap, test = pair.difference, pair.contrast
    strong = "strong" if test is not None and test.significant and not pair.otherwise else ""
    cells = [Cell(second, note=f"against {first}"), *map(arm_score_cell, pair.scores)]
    cells.append(Cell(points_text(gap.value), gap.value, points_interval(gap.low, gap.high), mark=strong))
    cells.append(p_cell(test.p_adjusted if test else math.nan))
    cells.append(Cell(PAIRING[pair.pairing]))
    counts = (gap.samples, test.flips.fixed, test.flips.broken) if test else (None, None, None)
    cells += [Cell(MISSING, math.nan) if count is None else Cell(f"{count:,}", count) for count in counts]
    return [*cells, Cell(", ".join(kinds) or MISSING)]


def _score_cell(score: ArmScore | None, kinds: Sequence[str]) -> Cell:
    if score is None:
        return Cell(MISSING, math.nan)
    sign = PERHAPS_NOT if set(kinds) == {ENVIRONMENT} else NOT_COMPARABLE if kinds else ""
    cell = arm_score_cell(score)
    mark = INCOMPLETE if sign == NOT_COMPARABLE else cell.mark
    return replace(cell, text=f"{cell.text} {sign}".rstrip(), mark=mark)


def _reference(runs: Sequence[Results], benchmark: str) -> int:
    """The first run that has a benchmark."""
    return next(number for number, run in enumerate(runs) if benchmark in run.info["benchmarks"])


def _models(run: Results, arm: str) -> Iterator[Any]:
    yield from run.arms.loc[run.arms["arm"] == arm, "model"].unique()
