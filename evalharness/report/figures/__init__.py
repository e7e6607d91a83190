"""The figures of a run: score by iteration and by cost, differences by category, flips, what loops do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.analysis.examples.loop import ArmLoop
from evalharness.report.figures.difference_plots import flips, forest
from evalharness.report.figures.loop_plots import MAX_ARMS, loop_plots
from evalharness.report.figures.score_plots import cost, courses
from evalharness.report.figures.style import FigureFile, family_styles, save
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FigureFile", "draw_figures"]


def draw_figures(
    arms: pd.DataFrame,
    summaries: Sequence[Summary],
    leads: Mapping[str, Sequence[str]],
    loops: Sequence[ArmLoop],
    folder: Path,
    *,
    small: bool = False,
) -> list[FigureFile]:
    """Draw the figures for which there are data. A family of arms has the same colour in all of them.

    Args:
        arms: the run's arms.
        summaries: the tables of its benchmarks.
        leads: benchmark → the arms that figures of differences show.
        loops: the loops of the arms that inspect.
        folder: where they are written.
        small: whether to write no PDF, and the loop of one arm alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    styles = family_styles(arms)
    files = []
    for summary in summaries:
        plots = (
            *courses(summary, styles),
            cost(summary, styles),
            forest(summary, leads[summary.benchmark], styles),
            flips(summary),
            *loop_plots(
                [loop for loop in loops if loop.benchmark == summary.benchmark],
                summary.title,
                1 if small else MAX_ARMS,
            ),
        )
        files += [save(plot, summary.benchmark, folder, pdf=not small) for plot in plots if plot is not None]
    return files
