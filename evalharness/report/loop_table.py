"""The table of what the loop does: conflicts named, and what refinements made of the pictures."""

from __future__ import annotations

from collections.abc import Iterable

from evalharness.analysis.examples.loop import SHARES, ArmLoop, Part
from evalharness.report.cells import Cell, PageTable, Row
from evalharness.report.formatting import MISSING

COLUMNS = [
    "Arm",
    "Part",
    "Inspections",
    "Named a conflict",
    "Precision",
    "Recall",
    "Refined",
    "Fixed",
    "Broke",
    "Verdict unchanged",
    "Right ones kept",
    "Tokens",
    "Sampler steps",
]
CAPTION = (
    "Of the arm with the highest cap of each kind that refines. An inspection names a conflict if a "
    "refinement follows. Precision: of the named conflicts, those in a picture that the scorer finds wrong; recall: of "
    "the inspected pictures that it finds wrong, those in which a conflict was named. Both by the verdict on that very "
    "picture, for the whole prompt: an early picture may be wrong only because something is still to be drawn. Fixed, "
    "broke, unchanged: what refinements did to the verdict. Kept: of the right pictures that another picture follows, "
    "those whose next one is right. Shares count only pictures that have a verdict: those that are some arm’s final "
    "image, and those scored for the chosen trajectories. Tokens and sampler steps: of all inspections and refinements."
)


def loop_table(loops: Iterable[ArmLoop], benchmark: str) -> PageTable | None:
    """The table of a benchmark: each arm in total, by iteration and by category; ``None`` if no arm refines."""
    rows = []
    for loop in loops:
        if loop.benchmark == benchmark:
            rows.append(Row(_cells(loop, "all", None), baseline=True))
            rows += [Row(_cells(loop, f"iteration {number}", number)) for number in loop.iterations]
            rows += [Row(_cells(loop, name.replace("_", " "), name)) for name in loop.categories]
    if not rows:
        return None
    return PageTable("What the loop does", CAPTION, COLUMNS, rows, frozenset({"Part"}))


def _cells(loop: ArmLoop, name: str, part: Part) -> list[Cell]:
    counts = loop.total(part)
    shares = {
        share: _share(getattr(counts, counted), getattr(counts, whole)) for share, (counted, whole) in SHARES.items()
    }
    return [
        Cell(loop.arm),
        Cell(name),
        _number(counts.inspections),
        shares["named"],
        shares["precision"],
        shares["recall"],
        _number(counts.refinements),
        _number(counts.fixed),
        _number(counts.broke),
        _number(counts.unchanged),
        shares["kept"],
        _number(counts.tokens),
        _number(counts.evaluations),
    ]


def _number(count: int) -> Cell:
    return Cell(f"{count:,}", count)


def _share(part: int, whole: int) -> Cell:
    """A share in per cent, with its counts; a dash if there is nothing to count."""
    if not whole:
        return Cell(MISSING, float("nan"))
    return Cell(f"{100 * part / whole:.0f} %", part / whole, f"{part:,} of {whole:,}")
