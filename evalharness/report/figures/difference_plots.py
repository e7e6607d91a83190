"""Differences to the baseline: by category as a forest plot, and pair by pair as flips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from evalharness.analysis import Contrast
from evalharness.analysis.stats import Estimate
from evalharness.report.figures.style import BAD, GOOD, INK, RULE, FamilyStyle, Plot, add_legend, error_bars, label
from evalharness.report.formatting import number_text, points_text
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ARMS = 5
"""Arms in a forest plot; more would hide each other."""


def forest(summary: Summary, leads: Sequence[str], styles: Sequence[FamilyStyle]) -> Plot | None:
    """Paired differences of the leading arms, overall and on each category."""
    candidates = [summary.analysis.contrast(arm) for arm in leads]
    measured = [contrast for contrast in candidates if contrast and not math.isnan(contrast.difference.value)]
    # Contrasts that were declared before the run come first, if there is no room for all.
    contrasts = sorted(measured, key=lambda contrast: not contrast.preregistered)[:MAX_ARMS]
    if not contrasts:
        return None
    categories = [
        name
        for name in summary.analysis.weights
        if not all(math.isnan(contrast.categories[name].value) for contrast in contrasts)
    ]
    caption = (
        f"Differences to {contrasts[0].baseline} in points, paired by prompt and seed, with 95 % intervals over "
        "prompts. Intervals of categories are not corrected for their number."
    )
    if len(measured) > MAX_ARMS:
        caption += f" {MAX_ARMS} arms of {len(measured)}, those declared before the run first; the tables have all."
    arm_styles = {arm: style for style in styles for arm in style.family.arms}
    height = 1.4 + 0.2 * (len(categories) + 1) * (len(contrasts) + 0.6)
    return Plot(
        kind="differences",
        title="Differences by category",
        caption=caption,
        alt=f"{summary.title}. " + ". ".join(_forest_text(contrast, categories) for contrast in contrasts),
        draw=partial(_draw_forest, contrasts=contrasts, categories=categories, styles=arm_styles),
        height=max(2.6, height),
    )


def flips(summary: Summary) -> Plot | None:
    """How many pairs each contrast with the baseline fixed, and how many it broke."""
    baseline = summary.analysis.baseline
    contrasts = [
        contrast
        for contrast in summary.analysis.contrasts
        if contrast.baseline == baseline and contrast.difference.samples
    ]
    if not any(contrast.flips.fixed or contrast.flips.broken for contrast in contrasts):
        return None
    caption = (
        f"Pairs (prompt and seed) whose image is right where that of {baseline} is wrong (fixed), and the "
        "other way round (broken)."
    )
    return Plot(
        kind="flips",
        title="Fixed and broken",
        caption=caption,
        alt=f"{summary.title}. " + "; ".join(_flips_text(contrast) for contrast in contrasts),
        draw=partial(_draw_flips, contrasts=contrasts),
        height=1.3 + 0.26 * len(contrasts),
    )


def _forest_text(contrast: Contrast, categories: Sequence[str]) -> str:
    parts = [f"{name.replace('_', ' ')} {_difference_text(contrast.categories[name])}" for name in categories]
    overall = _difference_text(contrast.difference)
    return f"{contrast.arm} against {contrast.baseline}: overall {overall}; {'; '.join(parts)}"


def _difference_text(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return f"{number_text(0)} pairs"
    return points_text(estimate.value, estimate.low, estimate.high)


def _flips_text(contrast: Contrast) -> str:
    counts = contrast.flips
    return (
        f"{contrast.arm}: {counts.fixed} fixed, {counts.broken} broken, {counts.both_right} right with both, "
        f"{counts.both_wrong} wrong with both"
    )


def _draw_forest(
    figure: Figure,
    *,
    contrasts: Sequence[Contrast],
    categories: Sequence[str],
    styles: Mapping[str, FamilyStyle],
) -> None:
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=0.9)
    ticks = range(len(categories), -1, -1)
    spacing = 0.62 / max(1, len(contrasts))
    for index, contrast in enumerate(contrasts):
        style = styles[contrast.arm]
        differences = [contrast.difference, *(contrast.categories[name] for name in categories)]
        heights = [tick - spacing * (index - (len(contrasts) - 1) / 2) for tick in ticks]
        axes.errorbar(
            [100 * difference.value for difference in differences],
            heights,
            xerr=error_bars(differences, scale=100),
            linestyle="none",
            markersize=5,
            elinewidth=1.3,
            capsize=2.5,
            color=style.color,
            marker=style.marker,
            label=label(contrast.arm),
        )
    axes.axhline(len(categories) - 0.5, color=RULE, linewidth=1.2)
    axes.set_yticks(ticks, ["overall", *(label(name.replace("_", " ")) for name in categories)])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.grid(visible=False, axis="y")
    axes.set(
        xlabel="difference, points (further right is better)",
        ylim=(-0.6, len(categories) + 0.6),
    )
    add_legend(figure, axes)


def _draw_flips(figure: Figure, *, contrasts: Sequence[Contrast]) -> None:
    axes = figure.subplots()
    ticks = range(len(contrasts) - 1, -1, -1)
    broken = [contrast.flips.broken for contrast in contrasts]
    fixed = [contrast.flips.fixed for contrast in contrasts]
    bars = (
        axes.barh(ticks, [-count for count in broken], color=BAD, height=0.62, label="broken"),
        axes.barh(ticks, fixed, color=GOOD, height=0.62, label="fixed"),
    )
    for container, counts in zip(bars, (broken, fixed), strict=True):
        axes.bar_label(container, [str(count or "") for count in counts], padding=3, fontsize=8)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(ticks, [label(contrast.arm) for contrast in contrasts])
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set(xlabel="pairs (further right is better)")
    add_legend(figure, axes)
