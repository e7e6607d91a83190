"""Score against the iteration cap, and against what a sample costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from evalharness.analysis import CostPoint
from evalharness.report.figures.sketch import Line, Sketch, known, legend, rows_of, scores_text
from evalharness.report.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Mapping[str, Mapping[str, Any]]
MEASURES = {"evaluations": "sampler steps", "tokens": "tokens written", "seconds": "seconds"}


def iterations(table: Table, styles: list[Line]) -> Sketch | None:
    """Score against ``max_iterations``: a line a family, arms without iterations as level lines."""
    rows = rows_of(table)
    curves = [line for line in styles if len([arm for arm in line.family.arms if arm in rows]) > 1]
    if not any(known(rows[arm]["overall"]) for line in curves for arm in line.family.arms if arm in rows):
        return None
    levels = [line for line in styles if not line.family.caps and line.family.arms[0] in rows]
    alt = f"{table.title}. {scores_text(table, [arm for line in (*curves, *levels) for arm in line.family.arms])}"
    caption = "Bands and bars: 95 % intervals over prompts."
    draw = partial(_iterations, title=table.title, rows=rows, curves=curves, levels=levels)
    return Sketch("iterations", "Score by iteration", caption, alt, draw)


def cost(table: Table, styles: list[Line]) -> Sketch | None:
    """Score against the mean sampler steps, tokens and seconds of a sample, as far as arms differ in them."""
    rows = rows_of(table)
    points = [one for one in table.analysis.costs if known(rows[one.arm]["overall"]) and known(one.cost.value)]
    measures = [
        measure
        for measure in MEASURES
        if len({round(one.cost.value, 9) for one in points if one.measure == measure}) > 1
    ]
    if not measures:
        return None
    alt = f"{table.title}. " + "; ".join(
        f"{one.arm}: {one.cost.value:.1f} {MEASURES[one.measure]}, score {one.score.value:.2f}"
        for one in points
        if one.measure == measures[0]
    )
    caption = "Means per sample. Bars: 95 % intervals over prompts, both ways. Numbers beside points: max_iterations."
    draw = partial(_cost, title=table.title, points=points, measures=measures, styles=styles)
    return Sketch("cost", "Score by cost", caption, alt, draw)


def _iterations(figure: Figure, *, title: str, rows: Rows, curves: Sequence[Line], levels: Sequence[Line]) -> None:
    axis = figure.subplots()
    for line in curves:
        _curve(axis, rows, line)
    for line in levels:
        _level(axis, rows[line.family.arms[0]], line)
    caps = sorted({cap for line in curves for cap in line.family.caps})
    axis.set(xlabel="cap on iterations (max_iterations)", ylabel=f"{title} overall score", xticks=caps)
    legend(figure, axis)


def _curve(axis: Axes, rows: Rows, line: Line) -> None:
    points = [(cap, rows[arm]) for arm, cap in zip(line.family.arms, line.family.caps, strict=True) if arm in rows]
    caps = [float(cap) for cap, _ in points]  # an incomplete arm is NaN: a gap, nothing is drawn across it
    up, low, high = ([float(row[name]) for _, row in points] for name in ("overall", "overall_low", "overall_high"))
    axis.fill_between(caps, low, high, color=line.color, alpha=0.15, linewidth=0)
    bars = [[a - b for a, b in zip(up, low, strict=True)], [b - a for a, b in zip(up, high, strict=True)]]
    look: dict[str, Any] = {"color": line.color, "marker": line.marker, "label": line.family.label}
    axis.errorbar(caps, up, yerr=bars, linewidth=1.4, elinewidth=0.9, capsize=2.5, **look)
    label = "incomplete: lowest to highest possible"
    for cap, row in points:
        if math.isnan(row["overall"]):
            ends = [row["bound_low"], row["bound_high"]]
            axis.plot([cap, cap], ends, color=line.color, marker="_", linewidth=1, markersize=9, label=label)
            label = "_nolegend_"


def _level(axis: Axes, row: Mapping[str, Any], line: Line) -> None:
    axis.axhline(row["overall"], color=line.color, linestyle=line.dash, linewidth=1.4, label=line.family.label)
    if known(row["overall_low"]):
        axis.axhspan(row["overall_low"], row["overall_high"], color=line.color, alpha=0.06, linewidth=0)


def _cost(
    figure: Figure,
    *,
    title: str,
    points: Sequence[CostPoint],
    measures: Sequence[str],
    styles: Sequence[Line],
) -> None:
    axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axis, measure in zip(axes, measures, strict=True):
        own = {one.arm: one for one in points if one.measure == measure}
        for line in styles:
            _path(axis, own, line)
        axis.set(xlabel=MEASURES[measure])
    axes[0].set(ylabel=f"{title} overall score")
    legend(figure, axes[0])


def _path(axis: Axes, own: Mapping[str, CostPoint], line: Line) -> None:
    """A family's points by rising cap, joined, with bars both ways."""
    caps = line.family.caps or (None,) * len(line.family.arms)
    found = [(cap, own[arm]) for arm, cap in zip(line.family.arms, caps, strict=True) if arm in own]
    if not found:
        return
    across, up = [one.cost for _, one in found], [one.score for _, one in found]
    bars = [[[one.value - one.low for one in ends], [one.high - one.value for one in ends]] for ends in (across, up)]
    look: dict[str, Any] = {"color": line.color, "marker": line.marker, "label": line.family.label}
    places = [one.value for one in across], [one.value for one in up]
    axis.errorbar(*places, xerr=bars[0], yerr=bars[1], linewidth=1.2, elinewidth=0.8, markersize=5, **look)
    last = None
    for cap, one in found:
        here = (one.cost.value, one.score.value)
        if cap is not None and (last is None or math.dist(here, last) > 1e-6 * max(1.0, abs(here[0]))):
            axis.annotate(str(cap), here, (5, -10), textcoords="offset points", fontsize=8, color=line.color)
            last = here
