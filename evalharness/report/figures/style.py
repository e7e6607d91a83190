"""The look of figures, for light and dark pages, and how they are saved."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness._util.text import printable
from evalharness.analysis.arms import families
from evalharness.analysis.stats import Estimate
from evalharness.config.arm_families import CapFamily
from evalharness.report.cells import arm_score_text, overall_score
from evalharness.report.figures.notes import place_notes
from evalharness.report.formatting import slug
from evalharness.report.summary import Summary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, RULE = "#1d1d1b", "#e2e1dc"
# The ink, and Okabe & Ito's colours, which colour-blind readers can tell apart; their yellow does not show on white.
COLORS = (INK, "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
GOOD, BAD, NEUTRAL = COLORS[3], COLORS[4], "#c9c8c2"
ON_BARS = "#000000"
"""Numbers on the colours of bars, in light and dark."""
ON_DARK = {
    INK: "#eceae4",
    RULE: "#3a3935",
    NEUTRAL: "#8f8e88",
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
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # letters, which publishers demand, in place of outlines
    "svg.fonttype": "none",  # text stays text: a third of the size of outlines
    "text.parse_math": False,  # a dollar sign in a name begins no formula
    "svg.hashsalt": "evalharness",  # the same numbers give the same bytes
}
LONGEST = 40
"""Characters of a label."""
WIDTH = 5.4
"""Inches."""
LEGEND_ROWS = 3
"""As many rows of a legend fit the height of a plot."""
ROW_HEIGHT = 0.19
"""Inches."""
PIXELS_PER_INCH = 96
"""Resolution of the page, on which a figure is half a column wide."""


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure on disk: ``stem`` + ``.svg``, ``-dark.svg`` and, for a paper, ``.pdf``.

    Attributes:
        alt: a description in words.
        width: in pixels of the page.
        height: in pixels of the page.
        pdf: whether there is a PDF.
    """

    benchmark: str
    stem: str
    title: str
    caption: str
    alt: str
    width: int
    height: int
    pdf: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """How to draw a figure, and its texts; ``height`` is in inches, with a legend of a few rows."""

    kind: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Figure], None]
    height: float = 3.6


@dataclass(frozen=True, slots=True)
class FamilyStyle:
    """The colour, marker and dash of a family of arms."""

    family: CapFamily
    index: int

    @property
    def color(self) -> str:
        return COLORS[self.index % len(COLORS)]

    @property
    def marker(self) -> str:
        """Families that share a colour have markers of their own."""
        return MARKERS[(self.index + self.index // len(COLORS)) % len(MARKERS)]

    @property
    def dash(self) -> Any:
        return DASHES[self.index % len(DASHES)]

    @property
    def line(self) -> dict[str, Any]:
        """The arguments of a line with markers."""
        return {"color": self.color, "marker": self.marker, "label": label(self.family.label)}


def label(name: str) -> str:
    """A name as a label, a long one without its middle: matplotlib leaves one with an underscore first out of legends.

    >>> label("_x"), label("x"), len(label("long " * 40))
    (' _x', 'x', 34)
    """
    text = printable(f" {name}" if name.startswith("_") else name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-(LONGEST // 3) :]}"


def family_styles(arms: pd.DataFrame) -> list[FamilyStyle]:
    """A style for each family, in the order of the arms."""
    return [FamilyStyle(family, index) for index, family in enumerate(families(arms))]


def scores_text(summary: Summary, arms: Iterable[str]) -> str:
    """The scores of some arms in words."""
    names = set(arms)
    return "; ".join(
        f"{arm}: {arm_score_text(overall_score(row))}" for arm, row in summary.rows.items() if arm in names
    )


def error_bars(estimates: Sequence[Estimate], scale: float = 1.0) -> list[list[float]]:
    """The distances to both ends of the intervals: (2, estimates)."""
    return [
        [scale * (estimate.value - estimate.low) for estimate in estimates],
        [scale * (estimate.high - estimate.value) for estimate in estimates],
    ]


def add_legend(figure: Figure, axes: Axes) -> None:
    """A legend above the axes, in as many columns as the names leave room for. A long one makes the figure higher."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 2
    if sum(map(len, labels)) < 60:
        columns = 3
    elif max(map(len, labels)) > 45:
        columns = 1
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False)
    more_rows = math.ceil(len(labels) / columns) - LEGEND_ROWS
    figure.set_figheight(figure.get_figheight() + ROW_HEIGHT * max(0, more_rows))


def drawn(plot: Plot) -> Figure:
    """The figure of a plot, laid out."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # The file holds text, which a browser draws with the fonts that it has.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        figure = Figure(figsize=(WIDTH, plot.height), layout=layout)
        FigureCanvasAgg(figure)
        plot.draw(figure)
        layout.execute(figure)
        figure.set_layout_engine("none")  # done; each file would do it again
        for place in figure.axes:
            place_notes(place)
    return figure


def save(plot: Plot, benchmark: str, folder: Path, *, pdf: bool = False) -> FigureFile:
    """Draw a figure and write it as two transparent SVG files, for light and dark pages, and as PDF if asked for."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    stem, buffer, figure = f"{slug(benchmark)}-{plot.kind}", io.StringIO(), drawn(plot)
    # Without this metadata the file holds no address of a schema or a site.
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)  # savefig would draw twice
        if pdf:
            about = {"Title": plot.title, "Creator": None, "Producer": None, "CreationDate": None}
            FigureCanvasPdf(figure).print_pdf(folder / f"{stem}.pdf", metadata=about)
    light = _compact(buffer.getvalue())
    dark = re.sub("#[0-9a-f]{6}", lambda match: ON_DARK.get(match[0], match[0]), light)
    (folder / f"{stem}.svg").write_text(light, encoding="utf-8")
    (folder / f"{stem}-dark.svg").write_text(dark, encoding="utf-8")
    return FigureFile(
        benchmark=benchmark,
        stem=stem,
        title=plot.title,
        caption=plot.caption,
        alt=f"{plot.title}, {plot.alt}.",
        width=round(PIXELS_PER_INCH * WIDTH),
        height=round(PIXELS_PER_INCH * figure.get_figheight()),
        pdf=pdf,
    )


def _compact(svg: str) -> str:
    """A smaller SVG that looks the same: without indentation, groups and rotations by zero, coordinates to 0.01 points,
    no spaces around the commands of a path, and with one class for all elements of a style."""
    svg = re.sub(r"\n\s+", "\n", svg)
    svg = _without_plain_groups(re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", svg).replace("<g/>\n", ""))
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]), svg)
    svg = re.sub(r'(<path d=")([^"]*)', lambda match: match[1] + re.sub(r"\s*([A-Za-z])\s*", r"\1", match[2]), svg)
    classes: dict[str, str] = {}

    def with_class(tag: re.Match[str]) -> str:
        return re.sub(
            r' style="([^"]*)"', lambda match: f' class="{classes.setdefault(match[1], f"s{len(classes)}")}"', tag[0]
        )

    svg = re.sub(r"<[a-z][^<>]*>", with_class, svg)  # in tags alone: a label may say anything
    for number, name in enumerate(re.findall(r'id="([mp][0-9a-f]{10})"', svg)):
        svg = svg.replace(f'="{name}"', f'="i{number}"').replace(f"#{name}", f"#i{number}")
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    return svg.replace("</style>", f"{rules}</style>", 1)


def _without_plain_groups(svg: str) -> str:
    """Remove the tags of groups that have no attribute."""
    kept: list[bool] = []

    def shown(tag: re.Match[str]) -> str:
        if tag[0].startswith("</"):
            return tag[0] if kept.pop() else ""
        kept.append(not tag[0].startswith("<g>"))
        return tag[0] if kept[-1] else ""

    return re.sub(r"</?g\b[^<>]*>\n?", shown, svg)
