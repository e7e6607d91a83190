"""Training noise in the report, for sweep files that declare which arms are trainings of one recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from evalharness._util.text import counted
from evalharness.analysis import Analysis, ReplicateContrast, Replicates
from evalharness.analysis.stats import Estimate, Shares
from evalharness.report.cells import Cell, PageTable, Row, p_cell, part_cell, share_cell
from evalharness.report.formatting import (
    MISSING,
    correction_text,
    number_text,
    open_sign_text,
    p_statement,
    p_text,
    percent_text,
    points_interval,
    points_text,
    possible_text,
)
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["beyond", "within", "prompts", "few", "open", "unknown", "none"]
VERDICTS: Mapping[Verdict, str] = {
    "beyond": "more than training noise",
    "within": "within training noise",
    "prompts": "more than training noise, within chance of the prompts",
    "few": "more than training noise, too few prompts to say it of others",
    "open": "open: samples are missing",
    "unknown": "training noise not known",
    "none": "not yet compared",
}
SHARE_COLUMNS = ("Trainings’ part", "Prompts’ part", "Images’ part")


def verdict(contrast: ReplicateContrast) -> Verdict:
    """Compare a difference with the training noise.

    Returns:
        ``beyond`` or ``within`` training noise; ``prompts`` if it is beyond training noise but not beyond the choice of
        prompts, ``few`` if these are too few to tell; ``open`` if the missing samples could turn it; ``unknown`` if
        there are too few trainings to tell, or if none differ; ``none`` without a difference.
    """
    if contrast.difference.state == "none":
        return "none"
    if contrast.distinction == "unknown":
        return "unknown"
    if contrast.distinction == "open":
        return "open"
    if contrast.distinction == "alike":
        return "within"
    if contrast.everywhere.state != "known":
        return "few"
    return "beyond" if contrast.everywhere.excludes_zero else "prompts"


def verdict_text(contrast: ReplicateContrast) -> str:
    """The verdict in words; an open one with the range that the difference could have."""
    reached = verdict(contrast)
    possible = f"; with them {possible_text(*contrast.possible)} points" if reached == "open" else ""
    return VERDICTS[reached] + possible


def relation(contrast: ReplicateContrast) -> str:
    """The words that stand between the names of the two recipes."""
    points = 100 * contrast.difference.value
    return {
        "beyond": f"is {number_text(abs(points))} points {'above' if points > 0 else 'below'}",
        "within": "is within training noise of",
        "prompts": "cannot be told apart from",
        "few": "cannot be told apart from",
        "open": "cannot yet be told apart from",
        "unknown": "cannot be weighed against the training noise of",
        "none": "cannot yet be compared with",
    }[verdict(contrast)]


def evidence(contrast: ReplicateContrast, counts: Mapping[str, int]) -> str:
    """The numbers that a relation rests on.

    Args:
        contrast: the contrast of two recipes.
        counts: number of trainings of each recipe.
    """
    trainings = ", ".join(f"{counts[name]} of {name}" for name in (contrast.group, contrast.against))
    reached = verdict(contrast)
    if reached == "none":
        text = f"too few samples are scored in all trainings ({trainings})"
    elif reached == "unknown":
        text = f"{_difference_text(contrast)}{trainings}{_no_interval_text(contrast, counts)}"
    else:
        text = _interval_evidence(contrast, trainings)
    return text + _differing_text(contrast)


def _difference_text(contrast: ReplicateContrast) -> str:
    return f"difference {percent_text(contrast.difference.value)} points, "


def _no_interval_text(contrast: ReplicateContrast, counts: Mapping[str, int]) -> str:
    once = [name for name in (contrast.group, contrast.against) if counts[name] == 1]
    why = " score all the same" if contrast.difference.state == "flat" else f"; {' and '.join(once)} trained once"
    return f"{why}: no interval over trainings"


def _interval_evidence(contrast: ReplicateContrast, trainings: str) -> str:
    reached, difference = verdict(contrast), _difference_text(contrast)
    text = {
        "beyond": "more than training noise: ",
        "prompts": f"{difference}more than training noise but not for any prompts: ",
        "few": f"{difference}more than training noise on these prompts, which are too few to say it of others: ",
    }.get(reached, difference)
    text += f"95 % interval {_ends(contrast.difference)} over trainings ({trainings})"
    if contrast.everywhere.state == "known":
        text += f", {_ends(contrast.everywhere)} over trainings and prompts"
    if reached == "within" and contrast.difference.excludes_zero:
        family = counted(contrast.family, "exploratory comparison")
        if contrast.preregistered:
            family = f"{counted(contrast.family, 'comparison')} of recipes"
        text += f"; p {p_statement(contrast.p)}, corrected for {family} {p_text(contrast.p_adjusted)}"
    if contrast.shares.total > 0:
        text += f"; of its variance {between_text(contrast.shares)} is between trainings"
    return text + (open_sign_text(contrast.possible) if reached == "open" else "")


def between_text(shares: Shares) -> str:
    """The trainings' share of a variance with its interval."""
    between = shares.between
    if math.isnan(between.value):
        return MISSING
    return f"{100 * between.value:.0f} % [{100 * between.low:.0f}, {100 * between.high:.0f}]"


def _differing_text(contrast: ReplicateContrast) -> str:
    """What the recipes differ in besides their training."""
    if not contrast.differing:
        return ""
    return f"; they also differ in {', '.join(contrast.differing)}, so that this is not the recipes’ difference alone"


def noise(group: Replicates) -> str:
    """A sentence, without its full stop, on how much the trainings of a recipe differ."""
    if len(group.arms) < 2:
        return f"{group.name} was trained once: how much of its score is training noise is not known"
    trainings = f"{len(group.arms)} trainings of {group.name}"
    without = [arm for arm, score in zip(group.arms, group.scores, strict=True) if math.isnan(score)]
    if len(without) == len(group.arms):
        return f"{trainings} cannot yet be compared: too few samples are scored in all of them"
    if without:
        named = f"{' and '.join(without)} {'has' if len(without) == 1 else 'have'}"
        return f"{trainings} score {_scores(group)}: how far they are apart is not known yet, {named} too few scores"
    return (
        f"{trainings} score {_scores(group)}: standard deviation between them "
        f"{number_text(100 * group.deviation.value)} points"
    )


def noise_table(summary: Summary) -> PageTable | None:
    """A table with a row for each recipe: the scores of its trainings, and how far they are apart."""
    groups = summary.analysis.replicates
    if not groups:
        return None
    rows = []
    for group in groups:
        deviation = Cell("trained once")
        if len(group.arms) > 1:
            spread = group.deviation
            deviation = Cell(percent_text(spread.value), spread.value, points_interval(spread.low, spread.high))
        cells = [Cell(group.name), Cell(str(len(group.arms)), len(group.arms)), Cell(_scores(group))]
        cells += [part_cell(group.mean, *summary.analysis.counts(*group.arms)), deviation]
        rows.append(Row(cells + _share_cells(group.shares)))
    caption = " ".join(f"{noise(group)}." for group in groups) + (
        " The sweep file declares these arms to be trainings of one recipe, which differ in nothing else. Mean and "
        "standard deviation are over the trainings, each counted once however many images it drew; brackets: 95 % "
        "intervals by Student’s t and by chi-square. Parts: how much of the variance of one training’s score is due to "
        "the training, to the choice of prompts (for all trainings alike), and to the images."
    )
    columns = ["Recipe", "Trainings", "Their scores", "Mean", "Between trainings, points", *SHARE_COLUMNS]
    return PageTable("Training noise", caption, columns, rows, frozenset({"Their scores"}))


def contrasts_table(summary: Summary) -> PageTable | None:
    """A table with a row for each contrast of two recipes."""
    contrasts = summary.analysis.replicate_contrasts
    if not contrasts:
        return None
    caption = (
        "Mean over the trainings of a recipe minus that of another recipe, in points; bold if it exceeds training "
        "noise and chance of the prompts. Brackets: Welch’s 95 % interval, in which a training counts once; “for other "
        "prompts too” is wider by the choice of prompts. A recipe that was trained once has no interval. "
        "p-values are by Welch’s test, adjusted by Holm over the comparisons of recipes that were declared before the "
        "run, else by Benjamini and Hochberg over all exploratory comparisons. Parts: of the variance of the "
        "difference."
    )
    columns = ["Recipe", "Against", "Difference", "For other prompts too", "Degrees of freedom", "p", "Adjusted p"]
    columns += ["Correction", *SHARE_COLUMNS, "Also differ in", "Verdict"]
    rows = [_contrast_row(contrast) for contrast in contrasts]
    texts = frozenset({"Against", "Correction", "Also differ in", "Verdict"})
    return PageTable("Recipes", caption, columns, rows, texts)


def _contrast_row(contrast: ReplicateContrast) -> Row:
    gap, wider = contrast.difference, contrast.everywhere
    mark = "strong" if verdict(contrast) == "beyond" else ""
    difference = Cell(points_text(gap.value), gap.value, points_interval(gap.low, gap.high), mark=mark)
    degrees = MISSING if math.isnan(contrast.degrees) else f"{contrast.degrees:.1f}"
    cells = [Cell(contrast.group), Cell(contrast.against), difference, Cell(_wider_interval(contrast), wider.low)]
    cells += [Cell(degrees, contrast.degrees), p_cell(contrast.p), p_cell(contrast.p_adjusted)]
    cells += [Cell(_correction_text(contrast)), *_share_cells(contrast.shares)]
    return Row([*cells, Cell(", ".join(contrast.differing)), Cell(verdict_text(contrast))])


def _correction_text(contrast: ReplicateContrast) -> str:
    """How the p-value was corrected; empty without one."""
    if math.isnan(contrast.p):
        return ""
    return correction_text(contrast.family, preregistered=contrast.preregistered)


def contrasts_frame(analysis: Analysis) -> pd.DataFrame:
    """The contrasts of recipes as text for people, with a row for each."""
    import pandas as pd

    counts = {group.name: len(group.arms) for group in analysis.replicates}
    rows = []
    for contrast in analysis.replicate_contrasts:
        difference = contrast.difference
        rows.append(
            {
                "recipe": f"{contrast.group} ({counts[contrast.group]})",
                "against": f"{contrast.against} ({counts[contrast.against]})",
                "difference, points": points_text(difference.value, difference.low, difference.high),
                "for other prompts too": _wider_interval(contrast),
                "p": p_text(contrast.p),
                "p adjusted": p_text(contrast.p_adjusted),
                "correction": _correction_text(contrast),
                "between trainings": between_text(contrast.shares),
                "also differ in": ", ".join(contrast.differing),
                "verdict": verdict_text(contrast),
            }
        )
    return pd.DataFrame(rows)


def covered_arms(analysis: Analysis) -> set[str]:
    """The arms whose recipes are compared, so that the arms themselves need no comparison with the baseline."""
    compared = [contrast for contrast in analysis.replicate_contrasts if contrast.difference.state == "known"]
    names = {name for contrast in compared for name in (contrast.group, contrast.against)}
    return {arm for group in analysis.replicates if group.name in names for arm in group.arms}


def _share_cells(shares: Shares) -> list[Cell]:
    cells = [share_cell(part, shares.total) for part in (shares.trainings, shares.prompts, shares.images)]
    between = shares.between
    note = "" if math.isnan(between.low) else f"[{100 * between.low:.0f}, {100 * between.high:.0f}]"
    return [replace(cells[0], note=note), *cells[1:]]


def _wider_interval(contrast: ReplicateContrast) -> str:
    return points_interval(contrast.everywhere.low, contrast.everywhere.high) or MISSING


def _scores(group: Replicates) -> str:
    return ", ".join(MISSING if math.isnan(score) else f"{score:.3f}" for score in group.scores)


def _ends(estimate: Estimate) -> str:
    return possible_text(estimate.low, estimate.high)
