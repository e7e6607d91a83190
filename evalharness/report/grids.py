"""The tables of the page as cells: what each says, sorts by, and leads to in the gallery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from evalharness.analysis import Contrast
from evalharness.analysis.arms import records
from evalharness.analysis.stats import Estimate
from evalharness.report.tables import MISSING, Table, lacking_text, mean_text, number_text, p_text, points_text


@dataclass(frozen=True, slots=True)
class Cell:
    """``note`` stands small beside or below the text; ``value`` is what a number sorts by; ``href`` leads to images.

    ``mark``: ``strong`` for what is told apart from nothing, ``incomplete`` for what is not all there.
    """

    text: str
    value: float | None = None
    note: str = ""
    href: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    cells: list[Cell]
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """``columns``: their headings; those of ``words`` hold text, the others numbers. The first names the row.

    ``quoted`` rows are numbers from elsewhere: they are marked, and sort among themselves.
    """

    title: str
    caption: str
    columns: list[str]
    rows: list[Row]
    words: frozenset[str] = frozenset()
    quoted: list[Row] = field(default_factory=list)


def headline(table: Table) -> Grid:
    """What the first screen shows: an arm a row, its score, and how it compares with the baseline."""
    flips = any(not math.isnan(row["p"]) or row["pairs"] for row in records(table.wide))
    columns = ["Arm", "Overall", "Difference", "p", "Fixed", "Broken", "Scored", "Sampler steps"]
    rows = []
    for row in records(table.wide):
        contrast = None if row["baseline"] else table.analysis.contrast(row["arm"])
        compared = _compared(contrast) if contrast else [Cell("baseline" if row["baseline"] else MISSING), *_blank(3)]
        covered = Cell(row["coverage"], row["scored"] / row["expected"], mark=_lack(row["scored"] < row["expected"]))
        cells = [Cell(row["arm"]), _overall(row), *compared, covered, _mean(row["evaluations"])]
        rows.append(Row(cells, bool(row["baseline"])))
    caption = (
        "Overall: mean of the images’ scores (1: right), weighted over categories. Difference: to the baseline, in "
        "points, paired by prompt and seed; bold where it can be told from zero. p: corrected for all comparisons. "
        "Brackets: 95 % intervals over prompts. Fixed: right where the baseline is wrong; broken: the other way round."
    )
    grid = Grid("Scores", caption, columns, rows, quoted=quoted(table, blank=len(columns) - 2))
    return grid if flips else _without(grid, {"Difference", "p", "Fixed", "Broken"})


def quoted(table: Table, categories: Sequence[str] = (), blank: int = 0) -> list[Row]:
    """Published scores, if they were asked for, each with its source."""
    rows = []
    for row in records(table.quoted):
        value, low, high = (_number(row[name]) for name in ("overall", "low", "high"))
        note = "; ".join(str(row[name]) for name in ("source", "note") if row.get(name))
        cells = [Cell(str(row["name"]), note=f"quoted from {note}"), Cell(_score(value), value, _brackets(low, high))]
        scores = [_number(row.get(f"category.{name}")) for name in categories]
        rows.append(Row([*cells, *(Cell(_score(one), one) for one in scores), *_blank(blank)]))
    return rows


def by_category(table: Table, categories: Sequence[str]) -> Grid:
    """The score of each arm on each category; each leads to its images."""
    names = list(categories)
    rows = []
    for row in records(table.wide):
        cells = [Cell(row["arm"]), _overall(row)]
        for name in names:
            value = row[f"category.{name}"]
            lack = lacking_text(row, name)
            note = _brackets(row[f"category.{name}.low"], row[f"category.{name}.high"])
            note += f"\n{lack} scored" if lack else ""
            link = gallery(table, arm=row["arm"], category=name)
            cells.append(Cell(_score(value), value, note.strip(), link, _lack(bool(lack))))
        rows.append(Row(cells, bool(row["baseline"])))
    caption = "Means with 95 % intervals over prompts. Each number leads to its images."
    columns = ["Arm", "Overall", *(name.replace("_", " ") for name in names)]
    return Grid("Scores by category", caption, columns, rows, quoted=quoted(table, names))


def comparisons(table: Table) -> Grid | None:
    """Every contrast with its test."""
    if not table.analysis.contrasts:
        return None
    exact = any(not math.isnan(one.mcnemar) for one in table.analysis.contrasts)
    rows = []
    for one in table.analysis.contrasts:
        correction = f"{'Holm' if one.correction == 'holm' else 'Benjamini–Hochberg'} over {one.family}"
        flips, found = one.flips, [Cell(one.arm), Cell(one.baseline), _difference(one)]
        found += [_p(one.p), _p(one.p_adjusted), Cell(("declared; " if one.confirmatory else "") + correction)]
        found += [_p(one.mcnemar)] if exact else []
        found.append(Cell(f"{one.difference.samples:,}", one.difference.samples))
        for change, count in (
            ("fixed", flips.fixed),
            ("broken", flips.broken),
            ("both-right", flips.both_right),
            ("both-wrong", flips.both_wrong),
        ):
            found.append(Cell(f"{count:,}", count, href=_pairs(table, one, change)))
        rows.append(Row(found))
    columns = ["Arm", "Against", "Difference", "p", "Adjusted p", "Correction", *(["McNemar p"] if exact else [])]
    columns += ["Pairs", "Fixed", "Broken", "Both right", "Both wrong"]
    caption = (
        "Differences in points over the pairs (prompt and seed) that both arms have scores for; p by flipping the "
        "signs of whole prompts. Contrasts that the sweep file declares confirmatory are corrected by Holm’s method, "
        "all others by Benjamini and Hochberg’s. The counts of pairs lead to them."
    )
    return Grid("Comparisons", caption, columns, rows, frozenset({"Against", "Correction"}))


def sensitivity(table: Table) -> Grid | None:
    """What the run could show, and what smaller differences would take."""
    contrasts = [one for one in table.analysis.contrasts if not math.isnan(one.detectable)]
    if not contrasts:
        return None
    targets = [one.difference for one in contrasts[0].needed]
    rows = []
    for one in contrasts:
        parts = one.variance
        cells = [Cell(one.arm), Cell(one.baseline), Cell(number_text(100 * one.detectable), one.detectable)]
        cells += [_share(part, parts.total) for part in (parts.prompts, parts.seeds, parts.judge)]
        for need in one.needed:
            images = f"or {need.images:,.0f} images each" if math.isfinite(need.images) else ""
            cells.append(Cell(_count(need.prompts), need.prompts, images))
        rows.append(Row(cells))
    columns = ["Arm", "Against", "Shows, points", "Prompts’ part", "Seeds’ part", "Judge’s part"]
    columns += [f"For {number_text(100 * target).removesuffix('.0')} points" for target in targets]
    caption = (
        "“Shows”: the smallest true difference that a run like this shows four times in five. Parts: how much of the "
        "variance of the difference comes from the choice of prompts, of seeds, and from the judge’s mood. Last "
        "columns: prompts (or images of each of these prompts) that such a difference would take."
    )
    return Grid("What this run could show", caption, columns, rows, frozenset({"Against"}))


def best_of(table: Table) -> Grid | None:
    """The limit that choosing among a prompt's images by the scorer itself would reach."""
    points = table.analysis.best_of
    if not points:
        return None
    counts = sorted({one.k for one in points})
    by_arm = {(one.arm, one.k): one.score for one in points}
    arms = list(dict.fromkeys(one.arm for one in points))
    rows = [Row([Cell(arm), *(_estimate(by_arm.get((arm, k))) for k in counts)]) for arm in arms]
    caption = "If the scorer itself chose the best of k images of each prompt. A limit that no arm reaches, not an arm."
    return Grid("Best of k", caption, ["Arm", *(f"k = {k}" for k in counts)], rows)


def coverage(table: Table) -> Grid:
    """How much of each arm is there, what a sample costs, and with what it was made."""
    rows = []
    for row in records(table.wide):
        cells = [Cell(row["arm"])]
        cells.append(Cell(row["coverage"], row["scored"], mark=_lack(row["scored"] < row["expected"])))
        cells.append(Cell(str(row["failed"]), row["failed"], href=_failed(table, row) if row["failed"] else ""))
        cells += [_mean(row["evaluations"]), _mean(row["tokens"]), _mean(row["seconds"], 2)]
        cells += [Cell(str(row[name])) for name in ("model", "prompt_set", "scorer")]
        rows.append(Row(cells, bool(row["baseline"])))
    columns = ["Arm", "Scored", "Failed", "Sampler steps", "Tokens", "Seconds", "Model", "Prompt set", "Scorer"]
    caption = "Means per sample that was drawn."
    return Grid("Coverage and cost", caption, columns, rows, frozenset({"Model", "Prompt set", "Scorer"}))


def gallery(table: Table, **filters: str) -> str:
    """A link to the samples that the filters let through."""
    return "#" + urlencode({"benchmark": table.benchmark, **filters})


def told_apart(contrast: Contrast) -> bool:
    """Whether its interval leaves out zero and its p-value, corrected for the other contrasts, is at most 0.05."""
    low, high = contrast.difference.low, contrast.difference.high
    return bool(low > 0 or high < 0) and not contrast.p_adjusted > 0.05


def _compared(one: Contrast) -> list[Cell]:
    name = {"fixed": one.flips.fixed, "broken": one.flips.broken}
    links = {change: "#" + urlencode({"benchmark": one.benchmark, "arm": one.arm, "change": change}) for change in name}
    return [
        _difference(one),
        _p(one.p_adjusted),
        *(Cell(f"{count:,}", count, href=links[change]) for change, count in name.items()),
    ]


def _difference(one: Contrast) -> Cell:
    value = one.difference
    note = "" if math.isnan(value.low) else f"[{number_text(100 * value.low)}, {number_text(100 * value.high)}]"
    return Cell(points_text(value.value), value.value, note, mark="strong" if told_apart(one) else "")


def _overall(row: Mapping[str, Any]) -> Cell:
    if math.isnan(row["overall"]):
        bounds = f"{row['bound_low']:.2f} to {row['bound_high']:.2f}"
        return Cell(bounds, math.nan, "incomplete", mark="incomplete")
    return Cell(_score(row["overall"]), row["overall"], _brackets(row["overall_low"], row["overall_high"]))


def _estimate(one: Estimate | None) -> Cell:
    return Cell(MISSING, math.nan) if one is None else Cell(_score(one.value), one.value, _brackets(one.low, one.high))


def _pairs(table: Table, one: Contrast, change: str) -> str:
    versus = {} if one.baseline == table.analysis.baseline else {"vs": one.baseline}
    return gallery(table, arm=one.arm, change=change, **versus)


def _failed(table: Table, row: Mapping[str, Any]) -> str:
    return gallery(table, arm=row["arm"], outcome="failed")


def _p(p: float) -> Cell:
    return Cell(p_text(p), p)


def _share(part: float, total: float) -> Cell:
    share = part / total if total > 0 else math.nan
    return Cell(MISSING if math.isnan(share) else f"{100 * share:.0f} %", share)


def _count(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else MISSING


def _mean(value: float, decimals: int = 1) -> Cell:
    return Cell(mean_text(value, decimals), value)


def _score(value: float) -> str:
    return MISSING if math.isnan(value) else f"{value:.2f}"


def _brackets(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _lack(lacks: bool) -> str:
    return "incomplete" if lacks else ""


def _blank(count: int) -> list[Cell]:
    return [Cell("", math.nan)] * count


def _without(grid: Grid, names: set[str]) -> Grid:
    kept = [place for place, name in enumerate(grid.columns) if name not in names]

    def cut(rows: list[Row]) -> list[Row]:
        return [Row([row.cells[place] for place in kept], row.baseline) for row in rows]

    columns = [grid.columns[place] for place in kept]
    return Grid(grid.title, grid.caption, columns, cut(grid.rows), grid.words, cut(grid.quoted))
