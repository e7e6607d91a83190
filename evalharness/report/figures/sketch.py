"""How figures look, on light paper and on dark, and how they are saved."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.analysis.arms import Family, families, records
from evalharness.report.tables import Table, overall_text, slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GRID = "#1d1d1b", "#e2e1dc"
# The ink, and Okabe & Ito's colours, told apart by colour-blind readers; yellow is left out, it does not show on white.
COLORS = (INK, "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
GOOD, BAD = COLORS[3], COLORS[4]
ON_DARK = {
    INK: "#eceae4",
    GRID: "#3a3935",
    "#0072b2": "#4da3dc",
    "#009e73": "#2fbf95",
    "#d55e00": "#f0803c",
    "#cc79a7": "#e3a0c6",
    "#56b4e9": "#7cc7f0",
}
MARKERS = ("s", "^", "o", "D", "v", "P", "X")
DASHES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "evalharness",  # the same numbers give the same bytes
}
WIDTH = 5.4
"""Inches; at 96 pixels an inch the page's half column."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure on disk: ``stem`` + ``.svg``, ``-dark.svg`` and ``.png``; ``alt`` says in words what it shows.

    ``width`` and ``height`` are in pixels of the page.
    """

    benchmark: str
    stem: str
    title: str
    caption: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sketch:
    """What to draw and what to say of it; ``height`` in inches."""

    kind: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Figure], None]
    height: float = 3.6


@dataclass(frozen=True, slots=True)
class Line:
    """How the arms of a family are drawn."""

    family: Family
    index: int

    @property
    def color(self) -> str:
        return COLORS[self.index % len(COLORS)]

    @property
    def marker(self) -> str:
        return MARKERS[self.index % len(MARKERS)]

    @property
    def dash(self) -> Any:
        return DASHES[self.index % len(DASHES)]


def lines(arms: Any) -> list[Line]:
    """One a family, in the order of the arms."""
    return [Line(family, index) for index, family in enumerate(families(arms))]


def rows_of(table: Table) -> Mapping[str, Mapping[str, Any]]:
    return {row["arm"]: row for row in records(table.wide)}


def scores_text(table: Table, arms: list[str]) -> str:
    """The scores of the arms in words."""
    return "; ".join(f"{arm}: {overall_text(row)}" for arm, row in rows_of(table).items() if arm in arms)


def known(value: float) -> bool:
    return not math.isnan(value)


def legend(figure: Figure, axis: Any) -> None:
    """Above the axes, in as many columns as the names leave room for."""
    handles, labels = axis.get_legend_handles_labels()
    columns = 3 if sum(map(len, labels)) < 60 else 1 if max(map(len, labels)) > 45 else 2
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False)


def save(sketch: Sketch, benchmark: str, folder: Path) -> Drawing:
    """The SVG is transparent, for the page, and comes in colours for dark paper too; the PNG is on white."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stem = f"{slug(benchmark)}-{sketch.kind}"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sketch.height), layout="constrained")
        FigureCanvasAgg(figure)
        sketch.draw(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it has done its work
        # Without the metadata no address of a far-away schema or site gets into the files.
        bare = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(folder / f"{stem}.svg", metadata=bare, transparent=True)
        figure.savefig(folder / f"{stem}.png", dpi=200, metadata={"Software": None}, facecolor="white")
    light = (folder / f"{stem}.svg").read_text(encoding="utf-8")
    dark = re.sub("#[0-9a-f]{6}", lambda found: ON_DARK.get(found[0], found[0]), light)
    (folder / f"{stem}-dark.svg").write_text(dark, encoding="utf-8")
    size = round(96 * WIDTH), round(96 * sketch.height)
    return Drawing(benchmark, stem, sketch.title, sketch.caption, f"{sketch.title}, {sketch.alt}.", *size)
