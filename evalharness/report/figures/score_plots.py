"""Score against the iteration cap or another setting, and against what a sample costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evalharness.analysis import CostPoint
from evalharness.api.variant import CAP
from evalharness.config.arm_families import expansions, name_without
from evalharness.report.figures.notes import note
from evalharness.report.figures.style import FamilyStyle, Plot, add_legend, error_bars, scores_text
from evalharness.report.figures.style import label as as_label
from evalharness.report.formatting import slug
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Mapping[str, Mapping[str, Any]]
MEASURES = {"evaluations": "sampler steps", "tokens": "tokens written", "seconds": "seconds"}
AXES = {"evaluations": "sampler steps", "tokens": "tokens", "seconds": "seconds"}
BETTER = "(higher is better)"
MAX_TICKS = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """Arms by rising value of the setting ``over``, the only one in which they differ."""

    over: str
    label: str
    arms: tuple[str, ...]
    values: tuple[float, ...]
    style: FamilyStyle


def curves(summary: Summary, styles: Sequence[FamilyStyle]) -> list[Curve]:
    """The families of several arms, then declared trends and arms that one arm of the sweep file expands to."""
    style_of = {arm: style for style in styles for arm in style.family.arms if arm in summary.rows}
    trends = {(trend.over, trend.arms): trend.values for trend in summary.analysis.trends}
    families = {(CAP, style.family.arms): tuple(map(float, style.family.caps)) for style in styles}
    others = {key: values for key, values in (trends | expansions(style_of)).items() if key[0] != CAP}
    found = []
    for (over, arms), values in (families | others).items():
        present = [arm for arm in arms if arm in style_of]
        if len(present) > 1:
            found.append(Curve(over, name_without(over, arms[-1]), arms, values, style_of[present[-1]]))
    return found


def courses(summary: Summary, styles: Sequence[FamilyStyle]) -> list[Plot]:
    """Score against each setting that arms differ in: a curve for each family, arms without iterations as levels."""
    by_setting: dict[str, list[Curve]] = {}
    for curve in curves(summary, styles):
        by_setting.setdefault(curve.over, []).append(curve)
    plots = (_course(summary, over, members, styles) for over, members in by_setting.items())
    return [plot for plot in plots if plot is not None]


def _course(summary: Summary, over: str, members: Sequence[Curve], styles: Sequence[FamilyStyle]) -> Plot | None:
    rows = summary.rows
    shown = {arm for curve in members for arm in curve.arms if arm in rows}
    if all(math.isnan(rows[arm]["overall"]) for arm in shown):
        return None
    levels = [
        style
        for style in styles
        if not style.family.caps and style.family.arms[0] in rows and style.family.arms[0] not in shown
    ]
    shown |= {style.family.arms[0] for style in levels}
    return Plot(
        kind="iterations" if over == CAP else f"course-{slug(over)}",
        title=f"Score by {'iteration' if over == CAP else over}",
        caption="Bands and bars: 95 % intervals over prompts.",
        alt=f"{summary.title}. {scores_text(summary, shown)}",
        draw=partial(_draw_course, title=summary.title, over=over, rows=rows, members=members, levels=levels),
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
    members = curves(summary, styles)
    caption = "Means per sample. Bars: 95 % intervals over prompts, both ways."
    if members:
        settings = " and ".join(dict.fromkeys(curve.over for curve in members))
        caption += f" Numbers beside points: {settings}, where there is room."
    words = [
        f"{point.arm}: {point.cost.value:.1f} {MEASURES[point.measure]}, score {100 * point.score.value:.1f} %"
        for point in points
        if point.measure == measures[0]
    ]
    return Plot(
        kind="cost",
        title="Score by cost",
        caption=caption,
        alt=f"{summary.title}. {'; '.join(words)}",
        draw=partial(_draw_cost, title=summary.title, points=points, measures=measures, styles=styles, members=members),
    )


def _draw_course(
    figure: Figure, *, title: str, over: str, rows: Rows, members: Sequence[Curve], levels: Sequence[FamilyStyle]
) -> None:
    axes = figure.subplots()
    for curve in members:
        _draw_curve(axes, rows, curve)
    for style in levels:
        _draw_level(axes, rows[style.family.arms[0]], style)
    values = sorted({value for curve in members for value in curve.values})
    name = "cap on iterations (max_iterations)" if over == CAP else as_label(over)
    axes.set(xlabel=name, ylabel=f"{as_label(title)} score, % {BETTER}")
    axes.set_xticks(values[:: math.ceil(len(values) / MAX_TICKS)])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    add_legend(figure, axes)


def _draw_curve(axes: Axes, rows: Rows, curve: Curve) -> None:
    points = [(value, rows[arm]) for arm, value in zip(curve.arms, curve.values, strict=True) if arm in rows]
    places = [value for value, _ in points]
    # The overall score of an incomplete arm is NaN, so that the curve has a gap.
    scores, lows, highs = ([float(row[f"overall{end}"]) for _, row in points] for end in ("", "_low", "_high"))
    color = curve.style.color
    axes.fill_between(places, lows, highs, color=color, alpha=0.15, linewidth=0)
    bars = [
        [score - low for score, low in zip(scores, lows, strict=True)],
        [high - score for score, high in zip(scores, highs, strict=True)],
    ]
    line = {**curve.style.line, "label": as_label(curve.label)}
    axes.errorbar(places, scores, yerr=bars, linewidth=1.4, elinewidth=0.9, capsize=2.5, **line)
    label = "incomplete: lowest to highest possible"
    for value, row in points:
        if math.isnan(row["overall"]):
            ends = [row["bound_low"], row["bound_high"]]
            axes.plot([value, value], ends, color=color, marker="_", linewidth=1, markersize=9, label=label)
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
    members: Sequence[Curve],
) -> None:
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        points_by_arm = {point.arm: point for point in points if point.measure == measure}
        for style in styles:
            _draw_family_costs(axes, points_by_arm, style)
        for curve in members:
            _join_and_note(axes, points_by_arm, curve)
        axes.set(xlabel=f"{AXES[measure]} a sample")
        axes.locator_params(axis="x", nbins=4)
    panels[0].set(ylabel=f"{as_label(title)} score, % {BETTER}")
    panels[0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    add_legend(figure, panels[0])


def _draw_family_costs(axes: Axes, points_by_arm: Mapping[str, CostPoint], style: FamilyStyle) -> None:
    """A family's points with bars both ways."""
    points = [points_by_arm[arm] for arm in style.family.arms if arm in points_by_arm]
    if not points:
        return
    costs, scores = [point.cost for point in points], [point.score for point in points]
    axes.errorbar(
        [cost.value for cost in costs],
        [score.value for score in scores],
        xerr=error_bars(costs),
        yerr=error_bars(scores),
        linewidth=1.2,
        elinewidth=0.8,
        markersize=5,
        linestyle="none",
        **style.line,
    )


def _join_and_note(axes: Axes, points_by_arm: Mapping[str, CostPoint], curve: Curve) -> None:
    """A line through the points of a curve, by rising value, and the values beside them."""
    members = zip(curve.arms, curve.values, strict=True)
    points = [(value, points_by_arm[arm]) for arm, value in members if arm in points_by_arm]
    places = [(point.cost.value, point.score.value) for _, point in points]
    axes.plot(*zip(*places, strict=True), color=curve.style.color, linewidth=1.2, label="_nolegend_")
    noted = None
    for (value, _), place in zip(points, places, strict=True):
        if noted is None or math.dist(place, noted) > 1e-6 * max(1.0, abs(place[0])):
            note(axes, f"{value:g}", place, curve.style.color)
            noted = place
