"""The figures of a run: score by iteration, score by cost, differences by category, flips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.report.figures.differences import flips, forest
from evalharness.report.figures.scores import cost, iterations
from evalharness.report.figures.sketch import Drawing, lines, save
from evalharness.report.tables import Table

__all__ = ["Drawing", "draw_figures"]


def draw_figures(arms: Any, tables: list[Table], leads: Mapping[str, Sequence[str]], folder: Path) -> list[Drawing]:
    """Draw what the data allow; colours belong to arms, the same in all figures.

    ``leads``: of each benchmark the arms that figures of differences are about.
    """
    folder.mkdir(parents=True, exist_ok=True)
    styles, found = lines(arms), []
    for table in tables:
        chosen = leads[table.benchmark]
        made = iterations(table, styles), cost(table, styles), forest(table, chosen, styles), flips(table)
        found += [save(sketch, table.benchmark, folder) for sketch in made if sketch is not None]
    return found
