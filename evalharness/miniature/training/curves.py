"""A training's curve as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw_curve(curve: Sequence[Mapping[str, float]], path: Path) -> None:
    """One panel for each kind of loss (last word of the column name), one line for each kind of training example."""
    from matplotlib.figure import Figure

    names = [name for name in dict.fromkeys(key for row in curve for key in row) if name not in ("step", "seconds")]
    panels = list(dict.fromkeys(name.rpartition("_")[2] for name in names))
    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            kind, _, of = name.rpartition("_")
            points = [(row["step"], row[name]) for row in curve if row.get(name, 0) > 0]
            if of == panel and points:
                axes.plot([x for x, _ in points], [y for _, y in points], label=kind)
        axes.set(title=panel, xlabel="step", yscale="log")
        if axes.lines:
            axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
