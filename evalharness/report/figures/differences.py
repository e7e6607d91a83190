"""Differences to the baseline: by category as a forest plot, and pair by pair as flips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Contrast
from evalharness.analysis.stats import Estimate
from evalharness.report.figures.sketch import BAD, GOOD, GRID, INK, Line, Sketch, known, legend
from evalharness.report.tables import Table, number_text, points_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 5
"""Arms in a forest plot; more would hide each other."""


def forest(table: Table, leads: Sequence[str], styles: list[Line]) -> Sketch | None:
    """Paired differences of the leading arms, overall and on each category."""
    found = [contrast for arm in leads if (contrast := table.analysis.contrast(arm))]
    measured = [one for one in found if known(one.difference.value)]
    # What was declared before the run comes first, where not all find room.
    contrasts = sorted(measured, key=lambda one: not one.confirmatory)[:MOST]
    if not contrasts:
        return None
    names = [name for name in table.analysis.weights if any(known(one.categories[name].value) for one in contrasts)]
    alt = f"{table.title}. " + ". ".join(
        f"{one.arm} against {one.baseline}: overall {_text(one.difference)}; "
        + "; ".join(f"{name.replace('_', ' ')} {_text(one.categories[name])}" for name in names)
        for one in contrasts
    )
    caption = (
        f"Differences to {contrasts[0].baseline} in points, paired by prompt and seed, with 95 % intervals over "
        "prompts. Intervals of categories are not corrected for their number."
    )
    if len(measured) > MOST:
        caption += f" {MOST} arms of {len(measured)}, those declared before the run first; the tables have all."
    marks = {arm: line for line in styles for arm in line.family.arms}
    draw = partial(_forest, contrasts=contrasts, names=names, marks=marks)
    height = 1.4 + 0.2 * (len(names) + 1) * (len(contrasts) + 0.6)
    return Sketch("differences", "Differences by category", caption, alt, draw, max(2.6, height))


def flips(table: Table) -> Sketch | None:
    """Of each contrast with the baseline, how many pairs it fixed and how many it broke."""
    contrasts = [
        one for one in table.analysis.contrasts if one.baseline == table.analysis.baseline and one.difference.samples
    ]
    if not any(one.flips.fixed or one.flips.broken for one in contrasts):
        return None
    alt = f"{table.title}. " + "; ".join(
        f"{one.arm}: {one.flips.fixed} fixed, {one.flips.broken} broken, {one.flips.both_right} right with both, "
        f"{one.flips.both_wrong} wrong with both"
        for one in contrasts
    )
    caption = (
        f"Pairs (prompt and seed) whose image is right where that of {contrasts[0].baseline} is wrong (fixed), and the "
        "other way round (broken)."
    )
    draw = partial(_flips, contrasts=contrasts)
    return Sketch("flips", "Fixed and broken", caption, alt, draw, 1.3 + 0.26 * len(contrasts))


def _forest(figure: Figure, *, contrasts: Sequence[Contrast], names: Sequence[str], marks: dict[str, Line]) -> None:
    axis = figure.subplots()
    axis.axvline(0, color=INK, linewidth=0.9)
    step = 0.62 / max(1, len(contrasts))
    for place, one in enumerate(contrasts):
        line = marks[one.arm]
        ends = [one.difference, *(one.categories[name] for name in names)]
        rows = [row - step * (place - (len(contrasts) - 1) / 2) for row in range(len(names), -1, -1)]
        _whiskers(axis, ends, rows, line.color, line.marker, one.arm)
    axis.axhline(len(names) - 0.5, color=GRID, linewidth=1.2)
    labels = ["overall", *(name.replace("_", " ") for name in names)]
    axis.set_yticks(range(len(names), -1, -1), labels)
    axis.get_yticklabels()[0].set_fontweight("bold")
    axis.grid(visible=False, axis="y")
    axis.set(xlabel="difference, points", ylim=(-0.6, len(names) + 0.6))
    legend(figure, axis)


def _whiskers(axis: Axes, ends: Sequence[Estimate], rows: Sequence[float], color: str, marker: str, label: str) -> None:
    values = [100 * one.value for one in ends]
    bars = [[100 * (one.value - one.low) for one in ends], [100 * (one.high - one.value) for one in ends]]
    look: dict[str, Any] = {"color": color, "marker": marker, "label": label}
    axis.errorbar(values, rows, xerr=bars, linestyle="none", markersize=5, elinewidth=1.3, capsize=2.5, **look)


def _flips(figure: Figure, *, contrasts: Sequence[Contrast]) -> None:
    axis = figure.subplots()
    rows = range(len(contrasts) - 1, -1, -1)
    fixed, broken = [one.flips.fixed for one in contrasts], [one.flips.broken for one in contrasts]
    bars = (
        axis.barh(rows, [-count for count in broken], color=BAD, height=0.62, label="broken"),
        axis.barh(rows, fixed, color=GOOD, height=0.62, label="fixed"),
    )
    for container, counts in zip(bars, (broken, fixed), strict=True):
        axis.bar_label(container, [str(count or "") for count in counts], padding=3, fontsize=8)
    axis.axvline(0, color=INK, linewidth=0.9)
    axis.set_yticks(rows, [one.arm for one in contrasts])
    axis.margins(x=0.12)
    axis.grid(visible=False, axis="y")
    axis.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axis.set(xlabel="pairs")
    legend(figure, axis)


def _text(one: Estimate) -> str:
    return points_text(one.value, one.low, one.high) if known(one.value) else f"{number_text(0)} pairs"
