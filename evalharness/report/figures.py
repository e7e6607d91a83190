"""The figures of a run: score against the iteration cap, and score against what a sample costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.report.arms import Family, families, records
from evalharness.report.tables import Table, overall_text, slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart by colour-blind readers; yellow is left out, it does not show on white.
COLORS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
MARKERS = ("s", "^", "o", "D", "v", "P", "X")
DASHES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "evalharness",  # the same numbers give the same bytes
}

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure on disk: ``stem`` + ``.svg`` and ``.png``; ``alt`` says in words what it shows."""

    benchmark: str
    stem: str
    title: str
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class _Line:
    family: Family
    color: str
    marker: str
    dash: Any


def draw_figures(arms: Any, tables: list[Table], folder: Path) -> list[Drawing]:
    """Draw what the data allow; colours belong to arms, the same in all figures."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = _lines(arms)
    return [drawing for table in tables for make in (_iterations, _cost) if (drawing := make(table, lines, folder))]


def _lines(arms: Any) -> list[_Line]:
    found, looks = [], len(COLORS)
    for index, family in enumerate(families(arms)):
        dash = DASHES[index % len(DASHES)]
        found.append(_Line(family, COLORS[index % looks], MARKERS[index % looks], dash))
    return found


def _iterations(table: Table, lines: list[_Line], folder: Path) -> Drawing | None:
    """Score against ``max_iterations``: a line a family, arms without iterations as level lines."""
    rows = _rows(table)
    curves = [line for line in lines if len([arm for arm in line.family.arms if arm in rows]) > 1]
    if not any(_known(rows, line) for line in curves):
        return None
    figure, axes = _figure(1)
    for line in lines:
        if line in curves:
            _curve(axes[0], rows, line)
        elif not line.family.caps and _known(rows, line):
            _level(axes[0], rows[line.family.arms[0]], line)
    caps = sorted({cap for line in curves for cap in line.family.caps})
    axes[0].set(xlabel="cap on iterations (max_iterations)", ylabel=f"{table.title} overall score", xticks=caps)
    _legend(figure, axes[0])
    title = "Score against the cap on iterations"
    caption = "Bands and bars: 95 % intervals over prompts."
    return _save(figure, table, folder, "iterations", title, caption, [arm for c in curves for arm in c.family.arms])


def _cost(table: Table, lines: list[_Line], folder: Path) -> Drawing | None:
    """Score against the mean number of sampler steps, and of tokens where arms differ in them."""
    rows = _rows(table)
    known = [row for row in rows.values() if not math.isnan(row["overall"]) and not math.isnan(row["evaluations"])]
    if len(known) < 2:
        return None
    measures = [("evaluations", "sampler steps")]
    if len({row["tokens"] for row in known}) > 1:
        measures.append(("tokens", "tokens written"))
    figure, axes = _figure(len(measures))
    for axis, (measure, words) in zip(axes, measures, strict=True):
        for line in lines:
            _path(axis, rows, line, measure)
        axis.set(xlabel=f"mean {words} per sample")
    axes[0].set(ylabel=f"{table.title} overall score")
    _legend(figure, axes[0])
    title, caption = "Score against cost", "Bars: 95 % intervals over prompts. Numbers beside points: max_iterations."
    return _save(figure, table, folder, "cost", title, caption, list(rows))


def _curve(axis: Axes, rows: Rows, line: _Line) -> None:
    points = [(cap, rows[arm]) for arm, cap in zip(line.family.arms, line.family.caps, strict=True) if arm in rows]
    caps = [float(cap) for cap, _ in points]  # an incomplete arm is NaN: a gap, nothing is drawn across it
    low, high = _column(points, "overall_low"), _column(points, "overall_high")
    axis.fill_between(caps, low, high, color=line.color, alpha=0.15, linewidth=0)
    _dots(axis, caps, points, line)
    label = "incomplete: lowest to highest possible"
    for cap, row in points:
        if math.isnan(row["overall"]):
            ends = [row["bound_low"], row["bound_high"]]
            axis.plot([cap, cap], ends, color=line.color, marker="_", linewidth=1, markersize=9, label=label)
            label = "_nolegend_"


def _level(axis: Axes, row: Mapping[str, Any], line: _Line) -> None:
    axis.axhline(row["overall"], color=line.color, linestyle=line.dash, linewidth=1.4, label=line.family.label)
    if not math.isnan(row["overall_low"]):
        axis.axhspan(row["overall_low"], row["overall_high"], color=line.color, alpha=0.06, linewidth=0)


def _path(axis: Axes, rows: Rows, line: _Line, measure: str) -> None:
    caps = line.family.caps or (None,) * len(line.family.arms)
    points = [(cap, rows[arm]) for arm, cap in zip(line.family.arms, caps, strict=True) if arm in rows]
    points = [(cap, row) for cap, row in points if not math.isnan(row["overall"]) and not math.isnan(row[measure])]
    if not points:
        return
    across = _column(points, measure)
    _dots(axis, across, points, line)
    for x, (cap, row) in zip(across, points, strict=True):
        if cap is not None:
            at = (x, row["overall"])
            axis.annotate(str(cap), at, (5, -10), textcoords="offset points", fontsize=8, color=line.color)


def _dots(axis: Axes, across: list[float], points: list[tuple[Any, Mapping[str, Any]]], line: _Line) -> None:
    """Scores with their error bars."""
    up = _column(points, "overall")
    below = [value - low for value, low in zip(up, _column(points, "overall_low"), strict=True)]
    above = [high - value for value, high in zip(up, _column(points, "overall_high"), strict=True)]
    look: dict[str, Any] = {"color": line.color, "marker": line.marker, "label": line.family.label}
    axis.errorbar(across, up, yerr=[below, above], linewidth=1.2, elinewidth=0.9, capsize=2.5, **look)


def _rows(table: Table) -> Rows:
    return {row["arm"]: row for row in records(table.wide)}


def _known(rows: Rows, line: _Line) -> bool:
    return any(arm in rows and not math.isnan(rows[arm]["overall"]) for arm in line.family.arms)


def _column(points: list[tuple[Any, Mapping[str, Any]]], name: str) -> list[float]:
    return [float(row[name]) for _, row in points]


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    return figure, list(axes)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    columns = 3 if sum(map(len, labels)) < 60 else 1 if max(map(len, labels)) > 45 else 2
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False)


def _save(
    figure: Figure, table: Table, folder: Path, kind: str, title: str, caption: str, arms: list[str]
) -> Drawing:
    import matplotlib as mpl

    stem = f"{slug(table.benchmark)}-{kind}"
    with mpl.rc_context(STYLE):
        # Without the metadata no address of a far-away schema or site gets into the files.
        bare = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(folder / f"{stem}.svg", metadata=bare)
        figure.savefig(folder / f"{stem}.png", dpi=200, metadata={"Software": None})
    rows = _rows(table)
    scores = "; ".join(f"{arm}: {overall_text(row)}" for arm, row in rows.items() if arm in arms)
    return Drawing(table.benchmark, stem, title, caption, f"{title}, {table.title}. {scores}.")


