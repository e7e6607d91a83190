"""The tables of a benchmark's section on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalharness.analysis import Contrast
from evalharness.analysis.arms import records
from evalharness.analysis.stats import Estimate
from evalharness.report.cells import (
    Cell,
    PageTable,
    Row,
    arm_score_cell,
    blank_cells,
    category_score,
    coverage_cell,
    gallery_link,
    mean_cell,
    overall_score,
    p_cell,
    part_cell,
    score_cell,
    share_cell,
)
from evalharness.report.diversity_table import diversity_cell
from evalharness.report.formatting import (
    MISSING,
    correction_text,
    number_text,
    points_interval,
    points_text,
)
from evalharness.report.part_costs import Totals
from evalharness.report.summary import Summary
from evalharness.report.table_files import number_or_nan

PART_COLUMNS = {
    "calls": "Calls",
    "evaluations": "Sampler steps",
    "tokens": "Tokens",
    "seconds": "Seconds",
    "dollars": "Dollars",
}
"""Kinds of costs of a part, and their columns."""


def headline(summary: Summary, settings: Mapping[str, str]) -> PageTable:
    """The table on the first screen: a row for each arm, with its score and its difference to the baseline.

    Args:
        summary: the benchmark's tables.
        settings: by arm, what stands below its name.
    """
    columns = ["Arm", "Overall", "Difference", "p", "Diversity", "Fixed", "Broken", "Scored", "Sampler steps"]
    rows = []
    for row in summary.rows.values():
        contrast = None if row["baseline"] else summary.analysis.contrast(row["arm"])
        diversity = diversity_cell(summary, row["arm"])
        if contrast is None:
            comparison = [Cell("baseline" if row["baseline"] else MISSING), *blank_cells(1), diversity, *blank_cells(2)]
        else:
            comparison = [_difference(contrast), p_cell(contrast.p_adjusted), diversity]
            for change, count in (("fixed", contrast.flips.fixed), ("broken", contrast.flips.broken)):
                link = gallery_link(contrast.benchmark, arm=contrast.arm, change=change)
                comparison.append(Cell(f"{count:,}", count, href=link))
        scored = replace(coverage_cell(row), value=row["scored"] / row["expected"])
        name = Cell(row["arm"], note=settings.get(row["arm"], ""))
        cells = [name, arm_score_cell(overall_score(row)), *comparison, scored, mean_cell(row["evaluations"])]
        rows.append(Row(cells, bool(row["baseline"])))
    caption = (
        "Overall: mean of the images’ scores in per cent, weighted over categories. Difference: from the baseline, in "
        "points, paired by prompt and seed; bold where it can be told from zero. p: corrected for its family of tests. "
        "Brackets: 95 % intervals over prompts. Fixed: right where the baseline is wrong; broken: the reverse."
    )
    if summary.analysis.diversity.arms:
        caption += (
            " Diversity: how much a prompt’s images differ from seed to seed, 0 if they are all the same; bold where "
            "it differs from the baseline’s. Its intervals are in the table Diversity across seeds."
        )
    quoted = quoted_rows(summary, blank=len(columns) - 2)
    table = PageTable("Scores", caption, columns, rows, quoted=quoted)
    if not summary.analysis.diversity.arms:
        table = table.without("Diversity")
    compared = any(not math.isnan(row["p"]) or row["pairs"] for row in summary.rows.values())
    return table if compared else table.without("Difference", "p", "Fixed", "Broken")


def quoted_rows(summary: Summary, categories: Sequence[str] = (), blank: int = 0) -> list[Row]:
    """Published scores, if they were requested, each with its source.

    Args:
        summary: the benchmark's tables.
        categories: the categories that have a column.
        blank: how many empty cells end the row.
    """
    rows = []
    for row in records(summary.quoted):
        source = "; ".join(str(row[name]) for name in ("source", "note") if row.get(name))
        overall = score_cell(*(number_or_nan(row[name]) for name in ("overall", "low", "high")))
        scores = [score_cell(number_or_nan(row.get(f"category.{name}"))) for name in categories]
        name = Cell(str(row["name"]), note=f"quoted from {source}")
        rows.append(Row([name, overall, *scores, *blank_cells(blank)]))
    return rows


def by_category(summary: Summary, categories: Sequence[str]) -> PageTable:
    """The table of each arm's score on each category; each number links to its images."""
    rows = []
    for row in summary.rows.values():
        cells = [Cell(row["arm"]), arm_score_cell(overall_score(row))]
        for name in categories:
            link = gallery_link(summary.benchmark, arm=row["arm"], category=name)
            cells.append(replace(part_cell(*category_score(row, name)), href=link))
        rows.append(Row(cells, bool(row["baseline"])))
    caption = "Means in per cent with 95 % intervals over prompts. Each number links to its images."
    columns = ["Arm", "Overall", *(name.replace("_", " ") for name in categories)]
    return PageTable("Scores by category", caption, columns, rows, quoted=quoted_rows(summary, categories))


def comparisons(summary: Summary) -> PageTable | None:
    """The table of all contrasts with their tests."""
    contrasts = summary.analysis.contrasts
    if not contrasts:
        return None
    exact = any(not math.isnan(contrast.mcnemar) for contrast in contrasts)
    columns = ["Arm", "Against", "Difference", "p", "Adjusted p", "Correction", *(["McNemar p"] if exact else [])]
    columns += ["Pairs", "Fixed", "Broken", "Both right", "Both wrong"]
    caption = (
        "Differences in points over the pairs (prompt and seed) that have scores in both arms; p by flipping the "
        "signs of whole prompts. Contrasts that the sweep file declared before the run are corrected by Holm’s method, "
        "all others by Benjamini and Hochberg’s. Each count of pairs links to the pairs."
    )
    rows = [_comparison_row(summary, contrast, exact=exact) for contrast in contrasts]
    return PageTable("Comparisons", caption, columns, rows, frozenset({"Against", "Correction"}))


def _comparison_row(summary: Summary, contrast: Contrast, *, exact: bool) -> Row:
    correction = correction_text(contrast.family, preregistered=contrast.preregistered, declared=contrast.declared)
    cells = [Cell(contrast.arm), Cell(contrast.baseline), _difference(contrast), p_cell(contrast.p)]
    cells += [p_cell(contrast.p_adjusted), Cell(correction)]
    if exact:
        cells.append(p_cell(contrast.mcnemar))
    cells.append(Cell(f"{contrast.difference.samples:,}", contrast.difference.samples))
    filters = {"arm": contrast.arm}
    versus = {} if contrast.baseline == summary.analysis.baseline else {"vs": contrast.baseline}
    for change in ("fixed", "broken", "both-right", "both-wrong"):
        count = getattr(contrast.flips, change.replace("-", "_"))
        link = gallery_link(summary.benchmark, **filters, change=change, **versus)
        cells.append(Cell(f"{count:,}", count, href=link))
    return Row(cells)


def sensitivity(summary: Summary) -> PageTable | None:
    """The table of differences that the run could show, and of the run sizes that smaller differences would take."""
    contrasts = [contrast for contrast in summary.analysis.contrasts if not math.isnan(contrast.detectable)]
    if not contrasts:
        return None
    rows = []
    for contrast in contrasts:
        variance = contrast.variance
        detectable = Cell(number_text(100 * contrast.detectable), contrast.detectable)
        cells = [Cell(contrast.arm), Cell(contrast.baseline), detectable]
        cells += [share_cell(part, variance.total) for part in (variance.prompts, variance.seeds, variance.judge)]
        for needed in contrast.needed:
            prompts = f"{needed.prompts:,.0f}" if math.isfinite(needed.prompts) else MISSING
            images = f"or {needed.images:,.0f} images each" if math.isfinite(needed.images) else ""
            cells.append(Cell(prompts, needed.prompts, images))
        rows.append(Row(cells))
    targets = [number_text(100 * needed.difference).removesuffix(".0") for needed in contrasts[0].needed]
    columns = ["Arm", "Against", "Shows, points", "Prompts’ part", "Seeds’ part", "Judge’s part"]
    columns += [f"For {target} {'point' if target == '1' else 'points'}" for target in targets]
    caption = (
        "“Shows”: the smallest true difference that a run like this tells apart four times in five, by simulation of "
        "the rule that this page applies. Parts: how much of the variance of the difference is due to the choice of "
        "prompts, to the seeds, and to inconsistent replies of the judge, if it was asked repeatedly. Last columns: "
        "how many prompts (or images of each of these prompts) it takes to show such a difference."
    )
    return PageTable("What this run could show", caption, columns, rows, frozenset({"Against"}))


def best_of(summary: Summary) -> PageTable | None:
    """The upper limit that arms would reach if the scorer itself chose among a prompt's images."""
    points = summary.analysis.best_of
    if not points:
        return None
    counts = sorted({point.k for point in points})
    scores = {(point.arm, point.k): point.score for point in points}
    arms = dict.fromkeys(point.arm for point in points)
    rows = [Row([Cell(arm), *(_arm_part(summary, arm, scores.get((arm, k))) for k in counts)]) for arm in arms]
    caption = (
        "The score in per cent if the scorer itself chose the best of k images of each prompt of an arm: the most that "
        "any way of choosing among the arm’s images could reach. Other arms may score more."
    )
    return PageTable("Best of k", caption, ["Arm", *(f"k = {k}" for k in counts)], rows)


def coverage(summary: Summary) -> PageTable:
    """The table of each arm's coverage and costs, with model, prompt set and scorer."""
    rows = []
    for row in summary.rows.values():
        link = gallery_link(summary.benchmark, arm=row["arm"], outcome="failed") if row["failed"] else ""
        cells = [Cell(row["arm"]), coverage_cell(row), Cell(str(row["failed"]), row["failed"], href=link)]
        cells += [mean_cell(row["evaluations"]), mean_cell(row["tokens"]), mean_cell(row["seconds"], 2)]
        cells += [Cell(str(row[name])) for name in ("model", "prompt_set", "scorer")]
        rows.append(Row(cells, bool(row["baseline"])))
    columns = ["Arm", "Scored", "Failed", "Sampler steps", "Tokens", "Seconds", "Model", "Prompt set", "Scorer"]
    caption = "Costs are means per drawn sample."
    return PageTable("Coverage and cost", caption, columns, rows, frozenset({"Model", "Prompt set", "Scorer"}))


def by_aspect(summary: Summary) -> PageTable | None:
    """The mean of each aspect that questions about the images are about: a row for each, a column for each arm."""
    means = summary.analysis.aspects
    names = list(dict.fromkeys(name for of_arm in means.values() for name in of_arm))
    if not names:
        return None
    rows = [
        Row(
            [
                Cell(name),
                *(_arm_part(summary, arm, of_arm.get(name)) for arm, of_arm in means.items()),
            ]
        )
        for name in names
    ]
    caption = "Mean over all questions about an aspect, in per cent. Brackets: 95 % intervals over prompts."
    return PageTable("By aspect", caption, ["Aspect", *means], rows)


def costs_by_part(costs: Mapping[str, Totals]) -> PageTable | None:
    """The costs of each part of the models that are made of several, as :func:`part_costs` gives them."""
    rows = [
        Row([Cell(arm), Cell(part), *(mean_cell(of_part[name] / of_part["samples"], 2) for name in PART_COLUMNS)])
        for arm, totals in costs.items()
        for part, of_part in totals.items()
    ]
    if not rows:
        return None
    caption = "What each part of a composite model cost: means per drawn sample."
    return PageTable("Cost by part", caption, ["Arm", "Part", *PART_COLUMNS.values()], rows)


def _arm_part(summary: Summary, arm: str, estimate: Estimate | None) -> Cell:
    """A mean over what is scored of an arm; a dash for none."""
    return Cell(MISSING, math.nan) if estimate is None else part_cell(estimate, *summary.analysis.counts(arm))


def _difference(contrast: Contrast) -> Cell:
    difference = contrast.difference
    interval = points_interval(difference.low, difference.high)
    mark = "strong" if contrast.significant else ""
    return Cell(points_text(difference.value), difference.value, interval, mark=mark)
