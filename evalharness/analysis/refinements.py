"""How often refinement fired, and how many verdicts it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalharness.analysis.arms import records, settings_of
from evalharness.analysis.contrasts import count_flips
from evalharness.analysis.findings import Refinements
from evalharness.analysis.grid import Grid
from evalharness.config.arm_families import family_key
from evalharness.store.results import Results


def refinements(results: Results, table: Grid) -> Iterator[Refinements]:
    """The refinements of each arm of the variant ``process`` that refines."""
    rows = {str(row["arm"]): row for row in records(results.arms) if row["arm"] in table.arms}
    for arm, row in rows.items():
        settings = settings_of(row)
        if row["variant"] == "process" and settings.get("refine", True):
            wanted = _kind(row, settings | {"refine": False})
            without = (name for name, other in rows.items() if _kind(other, settings_of(other)) == wanted)
            yield _count(table, arm, next(without, ""))


def _kind(row: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two arms have in common that differ in name alone."""
    return row["variant"], *family_key(row["model"], settings), str(row["max_iterations"])


def _count(table: Grid, arm: str, without: str) -> Refinements:
    samples = table.frame[(table.frame["arm"] == arm) & table.frame["trajectory"].notna()]
    counts = samples["refinements"].fillna(0)
    counted = Refinements(arm, len(samples), int((counts > 0).sum()), int(counts.sum()))
    if not without:
        return counted
    fired = table.pivoted(table.frame["refinements"])[:, table.arms.index(arm)] > 0
    flips = count_flips(table.column(arm)[fired], table.column(without)[fired])
    return Refinements(
        arm,
        counted.samples,
        counted.refined,
        counted.refinements,
        without=without,
        compared=flips.fixed + flips.broken + flips.both_right + flips.both_wrong,
        fixed=flips.fixed,
        broken=flips.broken,
        changed=flips.better + flips.worse,
    )
