"""Score against the iteration cap, and against what a sample costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from evalharness.analysis import CostPoint
from evalharness.report.figures.notes import note
from evalharness.report.figures.style import FamilyStyle, Plot, add_legend, error_bars, scores_text
from evalharness.report.figures.style import label as as_label
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Mapping[str, Mapping[str, Any]]
MEASURES = {"evaluations": "sampler steps", "tokens": "tokens written", "seconds": "seconds"}
AXES = {"evaluations": "sampler steps", "tokens": "tokens", "seconds": "seconds"}
BETTER = "(higher is better)"
MAX_TICKS = 12


def iterations(summary: Summary, styles: Sequence[FamilyStyle]) -> Plot | None:
    """Score against ``max_iterations``: a curve for each family, arms without iterations as level lines."""
    rows = summary.rows
    curves = [style for style in styles if sum(arm in rows for arm in style.family.arms) > 1]
    capped = [arm for style in curves for arm in style.family.arms if arm in rows]
    if all(math.isnan(rows[arm]["overall"]) for arm in capped):
        return None
    levels = [style for style in styles if not style.family.caps and style.family.arms[0] in rows]
    arms = [arm for style in (*curves, *levels) for arm in style.family.arms]
    return Plot(
        kind="iterations",
        title="Score by iteration",
        caption="Bands and bars: 95 % intervals over prompts.",
        alt=f"{summary.title}. {scores_text(summary, arms)}",
        draw=partial(_draw_iterations, title=summary.title, rows=rows, curves=curves, levels=levels),
    )


def cost(summary: Summary, styles: Sequence[FamilyStyle]) -> Plot | None:
    """Score against the mean sampler steps, tokens and seconds of a sample, as far as arms differ in them."""
    rows = summary.rows
    points = [
        point
        for point in summary.analysis.costs
        if not math.isnan(rows[point.arm]["overall"]) and not math.isnan(point.cost.value)
    ]
    measures = []
    for measure in MEASURES:
        if len({round(point.cost.value, 9) for point in points if point.measure == measure}) > 1:
            measures.append(measure)
    if not measures:
        return None
    words = [
        f"{point.arm}: {point.cost.value:.1f} {MEASURES[point.measure]}, score {100 * point.score.value:.1f} %"
        for point in points
        if point.measure == measures[0]
    ]
    return Plot(
        kind="cost",
        title="Score by cost",
        caption=(
            "Means per sample. Bars: 95 % intervals over prompts, both ways. Numbers beside points: max_iterations, "
            "where there is room."
        ),
        alt=f"{summary.title}. {'; '.join(words)}",
        draw=partial(_draw_cost, title=summary.title, points=points, measures=measures, styles=styles),
    )


def _draw_iterations(
    figure: Figure, *, title: str, rows: Rows, curves: Sequence[FamilyStyle], levels: Sequence[FamilyStyle]
) -> None:
    axes = figure.subplots()
    for style in curves:
        _draw_curve(axes, rows, style)
    for style in levels:
        _draw_level(axes, rows[style.family.arms[0]], style)
    caps = sorted({cap for style in curves for cap in style.family.caps})
    axes.set(xlabel="cap on iterations (max_iterations)", ylabel=f"{as_label(title)} score, % {BETTER}")
    axes.set_xticks(caps[:: math.ceil(len(caps) / MAX_TICKS)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    add_legend(figure, axes)


def _draw_curve(axes: Axes, rows: Rows, style: FamilyStyle) -> None:
    capped_arms = zip(style.family.arms, style.family.caps, strict=True)
    points = [(cap, rows[arm]) for arm, cap in capped_arms if arm in rows]
    caps = [float(cap) for cap, _ in points]
    # The overall score of an incomplete arm is NaN, so that the curve has a gap.
    values, lows, highs = ([float(row[f"overall{end}"]) for _, row in points] for end in ("", "_low", "_high"))
    axes.fill_between(caps, lows, highs, color=style.color, alpha=0.15, linewidth=0)
    bars = [
        [value - low for value, low in zip(values, lows, strict=True)],
        [high - value for value, high in zip(values, highs, strict=True)],
    ]
    axes.errorbar(caps, values, yerr=bars, linewidth=1.4, elinewidth=0.9, capsize=2.5, **style.line)
    label = "incomplete: lowest to highest possible"
    for cap, row in points:
        if math.isnan(row["overall"]):
            ends = [row["bound_low"], row["bound_high"]]
            axes.plot([cap, cap], ends, color=style.color, marker="_", linewidth=1, markersize=9, label=label)
            label = "_nolegend_"


def _draw_level(axes: Axes, row: Mapping[str, Any], style: FamilyStyle) -> None:
    axes.axhline(
        row["overall"], color=style.color, linestyle=style.dash, linewidth=1.4, label=as_label(style.family.label)
    )
    if not math.isnan(row["overall_low"]):
        axes.axhspan(row["overall_low"], row["overall_high"], color=style.color, alpha=0.06, linewidth=0)


def _draw_cost(
    figure: Figure,
    *,
    title: str,
    points: Sequence[CostPoint],
    measures: Sequence[str],
    styles: Sequence[FamilyStyle],
) -> None:
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        points_by_arm = {point.arm: point for point in points if point.measure == measure}
        for style in styles:
            _draw_cost_curve(axes, points_by_arm, style)
        axes.set(xlabel=f"{AXES[measure]} a sample")
        axes.locator_params(axis="x", nbins=4)
    panels[0].set(ylabel=f"{as_label(title)} score, % {BETTER}")
    panels[0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    add_legend(figure, panels[0])


def _draw_cost_curve(axes: Axes, points_by_arm: Mapping[str, CostPoint], style: FamilyStyle) -> None:
    """A family's points by rising cap, joined, with bars both ways."""
    caps = style.family.caps or (None,) * len(style.family.arms)
    capped_arms = zip(style.family.arms, caps, strict=True)
    points = [(cap, points_by_arm[arm]) for arm, cap in capped_arms if arm in points_by_arm]
    if not points:
        return
    costs, scores = [point.cost for _, point in points], [point.score for _, point in points]
    axes.errorbar(
        [cost.value for cost in costs],
        [score.value for score in scores],
        xerr=error_bars(costs),
        yerr=error_bars(scores),
        linewidth=1.2,
        elinewidth=0.8,
        markersize=5,
        **style.line,
    )
    noted = None
    for cap, point in points:
        position = (point.cost.value, point.score.value)
        distinct = noted is None or math.dist(position, noted) > 1e-6 * max(1.0, abs(position[0]))
        if cap is not None and distinct:
            note(axes, str(cap), position, style.color)
            noted = position
