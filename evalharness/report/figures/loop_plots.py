"""What the loop does: shares of inspections and of states that survive, and what refinements did to verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from evalharness._util.text import counted
from evalharness.analysis.examples.loop import SHARES, ArmLoop, LoopCounts, Part
from evalharness.analysis.stats import Estimate
from evalharness.report.figures.style import BAD, COLORS, GOOD, MARKERS, NEUTRAL, ON_BARS, RULE, Plot, error_bars, label
from evalharness.report.formatting import percent_text
from evalharness.report.loop_table import verdicts_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "named": "conflict named",
    "precision": "precision: named, and wrong",
    "recall": "recall: wrong, and named",
    "kept": "right ones kept",
}
CHANGES = (("fixed", "fixed", GOOD), ("unchanged", "verdict unchanged", NEUTRAL), ("broke", "broken", BAD))
ROOM = 14
"""Per cent of a bar that a number needs."""
MAX_ITERATIONS = 12
MAX_ARMS = 8


def loop_plots(loops: Sequence[ArmLoop], title: str, most: int = MAX_ARMS) -> Iterator[Plot]:
    """A figure for each arm.

    Args:
        loops: the loops of a benchmark's arms.
        title: the benchmark's name.
        most: limit on the number of figures.
    """
    for number, loop in enumerate(loops[:most], 1):
        iterations = loop.iterations[:MAX_ITERATIONS]
        parts: list[Part] = [None, *iterations, *loop.categories]
        caption = (
            "Left: shares of inspections and of right pictures, with 95 % intervals over prompts. Right: what "
            "refinements did to the verdict of a picture, with numbers where there is room. Precision, recall and "
            f"verdicts are the scorer’s on that very picture. {verdicts_text([loop])}"
        )
        if len(iterations) < len(loop.iterations):
            caption += f" The first {MAX_ITERATIONS} of {len(loop.iterations)} iterations; the table has all."
        if number == 1 and len(loops) > most:
            caption += f" Figures show {most} of {counted(len(loops), 'arm')}; the table has all."
        total = loop.total()
        texts = [f"{LABELS[name]} {_percent(loop.share(name))}" for name in SHARES]
        changes = f"{total.fixed} fixed, {total.broke} broken, {total.unchanged} unchanged"
        texts.append(f"of {counted(total.changes, 'refinement')} with verdicts {changes}")
        yield Plot(
            kind="loop" if number == 1 else f"loop-{number}",
            title=f"What the loop does in {loop.arm}",
            caption=caption,
            alt=f"{title}. {'; '.join(texts)}",
            draw=partial(_draw, loop=loop, parts=parts),
            height=1.6 + 0.42 * len(parts),
        )


def _percent(share: Estimate) -> str:
    return f"{percent_text(share.value, share.low, share.high)} %"


def _draw(figure: Figure, *, loop: ArmLoop, parts: Sequence[Part]) -> None:
    shares, changes = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    ticks = range(len(parts) - 1, -1, -1)
    _draw_shares(shares, loop, parts, ticks)
    _draw_changes(changes, [loop.total(part) for part in parts], ticks)
    shares.set_yticks(ticks, [_name(part) for part in parts])
    shares.get_yticklabels()[0].set_fontweight("bold")
    iterations = sum(isinstance(part, int) for part in parts)
    for axes in (shares, changes):
        axes.grid(visible=False, axis="y")
        for above in {1, 1 + iterations}:
            axes.axhline(len(parts) - above - 0.5, color=RULE, linewidth=1.2)
    shares.set_ylim(-0.6, len(parts) - 0.4)
    handles = [axes.get_legend_handles_labels() for axes in (shares, changes)]
    # A column each: what a panel shows stands above it.
    for (marks, names), place in zip(handles, ("outside upper left", "outside upper right"), strict=True):
        figure.legend(marks, names, loc=place, ncols=1, frameon=False)


def _name(part: Part) -> str:
    if part is None:
        return "all"
    return f"iteration {part}" if isinstance(part, int) else label(part.replace("_", " "))


def _draw_shares(axes: Axes, loop: ArmLoop, parts: Sequence[Part], ticks: Sequence[int]) -> None:
    spacing = 0.18
    for index, name in enumerate(SHARES):
        estimates = [loop.share(name, part) for part in parts]
        if all(math.isnan(share.value) for share in estimates):
            continue
        axes.errorbar(
            [100 * share.value for share in estimates],
            [tick - spacing * (index - (len(SHARES) - 1) / 2) for tick in ticks],
            xerr=error_bars(estimates, scale=100),
            linestyle="none",
            markersize=4,
            elinewidth=1.1,
            capsize=2,
            color=COLORS[index],
            marker=MARKERS[index],
            label=LABELS[name],
        )
    axes.set(xlabel="share, %", xlim=(-4, 104), xticks=range(0, 101, 25))


def _draw_changes(axes: Axes, counts: Sequence[LoopCounts], ticks: Sequence[int]) -> None:
    left = [0.0] * len(counts)
    for name, text, color in CHANGES:
        numbers = [getattr(of_part, name) for of_part in counts]
        shares = [100 * number / max(1, of_part.changes) for number, of_part in zip(numbers, counts, strict=True)]
        bars = axes.barh(ticks, shares, left=left, color=color, height=0.6, label=text)
        written = [str(number) if share >= ROOM else "" for number, share in zip(numbers, shares, strict=True)]
        axes.bar_label(bars, written, label_type="center", fontsize=7, color=ON_BARS)
        left = [before + share for before, share in zip(left, shares, strict=True)]
    axes.set(
        xlabel="of refinements, %" if any(left) else "no refinement with verdicts", xlim=(0, 100), xticks=[0, 50, 100]
    )
