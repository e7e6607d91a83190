"""What a report says of training noise, where the sweep file declares which arms are trainings of one recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Analysis, RecipeContrast, Replicates
from evalharness.analysis.stats import Estimate, Shares
from evalharness.report.grids import Cell, Grid, Row
from evalharness.report.tables import MISSING, Table, number_text, p_text, points_text, score_text

if TYPE_CHECKING:
    import pandas as pd


def verdict(one: RecipeContrast) -> str:
    """``beyond`` or ``within`` training noise; ``prompts``: beyond it, but not beyond the choice of prompts;
    ``unknown``: there are too few trainings to say."""
    if math.isnan(one.difference.low):
        return "unknown"
    if not _clear(one.difference) or one.p_adjusted > 0.05:
        return "within"
    return "beyond" if _clear(one.everywhere) else "prompts"


def relation(one: RecipeContrast) -> str:
    """In words, between the two names."""
    value = 100 * one.difference.value
    return {
        "beyond": f"is {number_text(abs(value))} points {'above' if value > 0 else 'below'}",
        "within": "is within training noise of",
        "prompts": "cannot be told apart from",
        "unknown": "cannot be weighed against the training noise of",
    }[verdict(one)]


def evidence(one: RecipeContrast, counts: Mapping[str, int]) -> str:
    """How sure that is; ``counts``: trainings of each recipe."""
    value, said = number_text(100 * one.difference.value), verdict(one)
    if said == "unknown":
        alike = " score all the same" if max(counts[one.recipe], counts[one.against]) > 1 else ""
        return f"difference {value} points, {_trained(one, counts)}{alike}: no interval over trainings"
    noise = {
        "beyond": "more than training noise: ",
        "within": f"difference {value} points, ",
        "prompts": f"difference {value} points, more than training noise but not for any prompts: ",
    }[said]
    text = f"{noise}95 % interval {_ends(one.difference)} over trainings ({_trained(one, counts)})"
    text += f", {_ends(one.everywhere)} over trainings and prompts" if not math.isnan(one.everywhere.low) else ""
    if said == "within" and _clear(one.difference):
        text += f"; p = {p_text(one.p)}, corrected for {one.family} comparisons of recipes {p_text(one.p_adjusted)}"
    if one.assumed:
        single = one.recipe if one.assumed == one.against else one.against
        text += f"; {single} was trained once, and is taken to vary as {one.assumed} does"
    shares = one.shares
    if shares.total > 0:
        text += f"; of its variance {_percent(shares.trainings, shares)} is between trainings"
    return text


def noise(one: Replicates) -> str:
    """How much two trainings of a recipe differ, in a sentence without its end."""
    if len(one.arms) < 2:
        return f"{one.name} was trained once: how much of its score is training noise is not known"
    return (
        f"{len(one.arms)} trainings of {one.name} score {_scores(one)}: standard deviation between them "
        f"{number_text(100 * one.deviation.value)} points"
    )


def spread(table: Table) -> Grid | None:
    """A recipe a row: its trainings' scores, and how far they are apart."""
    if not table.analysis.recipes:
        return None
    rows = []
    for one in table.analysis.recipes:
        trained = Cell("trained once") if len(one.arms) < 2 else Cell(_points(one.deviation), one.deviation.value)
        if len(one.arms) > 1:
            trained = Cell(trained.text, trained.value, _brackets(one.deviation))
        mean = Cell(score_text(one.mean.value), one.mean.value, _score_brackets(one.mean))
        cells = [Cell(one.name), Cell(str(len(one.arms)), len(one.arms)), Cell(_scores(one)), mean, trained]
        rows.append(Row(cells + _parts(one.shares)))
    caption = " ".join(f"{noise(one)}." for one in table.analysis.recipes) + (
        " Arms that the sweep file declares to be trainings of one recipe, which differ in nothing else. Mean and "
        "standard deviation are over the trainings, each counted once however many images it drew; brackets: 95 % "
        "intervals by Student’s t and by chi-square. Parts: of the variance of the score of one training, what other "
        "trainings, other prompts (for all trainings alike), and other images would change."
    )
    columns = ["Recipe", "Trainings", "Their scores", "Mean", "Between trainings, points", *_PARTS]
    return Grid("Training noise", caption, columns, rows, frozenset({"Their scores"}))


def comparisons(table: Table) -> Grid | None:
    """The contrasts of recipes."""
    found = table.analysis.recipe_contrasts
    if not found:
        return None
    rows = []
    for one in found:
        strong = "strong" if verdict(one) == "beyond" else ""
        gap = Cell(points_text(one.difference.value), one.difference.value, _brackets(one.difference), mark=strong)
        wide = one.everywhere
        degrees = MISSING if math.isnan(one.degrees) else f"{one.degrees:.1f}"
        cells = [Cell(one.recipe), Cell(one.against), gap, Cell(_brackets(wide) or MISSING, wide.low)]
        cells += [Cell(degrees, one.degrees), Cell(p_text(one.p), one.p), Cell(p_text(one.p_adjusted), one.p_adjusted)]
        rows.append(Row([*cells, *_parts(one.shares), Cell(_verdict_text(one))]))
    caption = (
        "Mean of the trainings of a recipe minus that of another’s, in points; bold where it is more than training "
        "noise and chance of the prompts. Brackets: Welch’s 95 % interval, in which a training counts once; wider: the "
        "same for other prompts too. A recipe trained once is taken to vary as the other does. p-values by Welch’s "
        "test, adjusted by Holm over all comparisons of recipes. Parts: of the variance of the difference."
    )
    columns = ["Recipe", "Against", "Difference", "For other prompts too", "Degrees of freedom", "p", "Adjusted p"]
    return Grid("Recipes", caption, [*columns, *_PARTS, "Verdict"], rows, frozenset({"Against", "Verdict"}))


def text_table(analysis: Analysis) -> pd.DataFrame:
    """The contrasts of recipes for people, a row each."""
    import pandas as pd

    counts = {one.name: len(one.arms) for one in analysis.recipes}
    rows = [
        {
            "recipe": f"{one.recipe} ({counts[one.recipe]})",
            "against": f"{one.against} ({counts[one.against]})",
            "difference, points": points_text(one.difference.value, one.difference.low, one.difference.high),
            "for other prompts too": _brackets(one.everywhere) or MISSING,
            "p": p_text(one.p),
            "p adjusted": p_text(one.p_adjusted),
            "between trainings": _percent(one.shares.trainings, one.shares),
            "verdict": _verdict_text(one),
        }
        for one in analysis.recipe_contrasts
    ]
    return pd.DataFrame(rows)


def covered(analysis: Analysis) -> set[str]:
    """The arms whose comparison with the baseline is said by their recipe's."""
    said = {one.recipe for one in analysis.recipe_contrasts if not math.isnan(one.difference.low)}
    said |= {one.against for one in analysis.recipe_contrasts if one.recipe in said}
    return {arm for one in analysis.recipes if one.name in said for arm in one.arms}


_PARTS = ("Trainings’ part", "Prompts’ part", "Images’ part")


def _parts(shares: Shares) -> list[Cell]:
    parts: list[Any] = [shares.trainings, shares.prompts, shares.images]
    whole = shares.total
    return [Cell(_percent(part, shares), part / whole if whole > 0 else math.nan) for part in parts]


def _percent(part: float, shares: Shares) -> str:
    return f"{100 * part / shares.total:.0f} %" if shares.total > 0 else MISSING


def _verdict_text(one: RecipeContrast) -> str:
    return {
        "beyond": "more than training noise",
        "within": "within training noise",
        "prompts": "more than training noise, within chance of the prompts",
        "unknown": "training noise not known",
    }[verdict(one)] + (f", as {one.assumed} varies" if one.assumed else "")


def _trained(one: RecipeContrast, counts: Mapping[str, int]) -> str:
    return f"{counts[one.recipe]} of {one.recipe}, {counts[one.against]} of {one.against}"


def _scores(one: Replicates) -> str:
    return ", ".join(f"{score:.3f}" for score in one.scores)


def _ends(one: Estimate) -> str:
    return f"{number_text(100 * one.low)} to {number_text(100 * one.high)}"


def _points(one: Estimate) -> str:
    return MISSING if math.isnan(one.value) else number_text(100 * one.value)


def _brackets(one: Estimate) -> str:
    return "" if math.isnan(one.low) else f"[{number_text(100 * one.low)}, {number_text(100 * one.high)}]"


def _score_brackets(one: Estimate) -> str:
    return "" if math.isnan(one.low) else f"[{one.low:.2f}, {one.high:.2f}]".replace("-", "−")


def _clear(one: Estimate) -> bool:
    return one.low > 0 or one.high < 0
