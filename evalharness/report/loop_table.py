"""The table of what the loop does: conflicts named, and what refinements made of the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalharness._util.text import counted, some_of
from evalharness.analysis.examples.judged_samples import JUDGED_SAMPLES
from evalharness.analysis.examples.loop import SHARES, ArmLoop, LoopCounts, Part
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
    "For each kind of arm that refines, the one with the highest cap. An inspection names a conflict if a refinement "
    "follows. Precision: the share of named conflicts whose picture the scorer finds wrong; recall: the share of "
    "inspected pictures found wrong in which a conflict was named. Both use the verdict on the inspected picture for "
    "the whole prompt: an early picture may be wrong only because something is still to be drawn. Fixed, broke, "
    "unchanged: what refinements did to the verdict. Kept: of the right pictures that another picture follows, the "
    "share whose next picture is right, too. Tokens and sampler steps: of all inspections and refinements. "
)
MAX_ARMS = 3
"""Arms that the caption names."""
JUDGED = "Verdicts are those of all pictures of {samples}, chosen by the digest of prompt and seed alone."
NOT_JUDGED = (
    "Verdicts would be those of all pictures of {samples}. Some of these have none, and those that have one are not "
    "representative, so the verdict columns are empty. A judge is asked only about final pictures."
)


def loop_table(loops: Iterable[ArmLoop], benchmark: str) -> PageTable | None:
    """The table of a benchmark: each arm in total, by iteration and by category; ``None`` if no arm refines."""
    rows = []
    shown = [loop for loop in loops if loop.benchmark == benchmark]
    for loop in shown:
        rows.append(Row(_cells(loop, "all", None), baseline=True))
        rows += [Row(_cells(loop, f"iteration {number}", number)) for number in loop.iterations]
        rows += [Row(_cells(loop, name.replace("_", " "), name)) for name in loop.categories]
    if not rows:
        return None
    return PageTable("What the loop does", CAPTION + verdicts_text(shown), COLUMNS, rows, frozenset({"Part"}))


def verdicts_text(loops: Sequence[ArmLoop]) -> str:
    """Which pictures the verdicts of some loops are of."""
    judged = [loop.judged for loop in loops if loop.judged]
    if not judged:
        most = min(JUDGED_SAMPLES, max(loop.samples for loop in loops))
        return NOT_JUDGED.format(samples=f"{counted(most, 'sample')} of an arm")
    text = JUDGED.format(samples=f"{counted(max(judged), 'sample')} of each arm")
    if len(judged) < len(loops):
        text += f" {some_of([loop.arm for loop in loops if not loop.judged], MAX_ARMS)}: not all of these have one."
    return text


def _cells(loop: ArmLoop, name: str, rows: Part) -> list[Cell]:
    counts = loop.total(rows)
    shares = {share: _share(getattr(counts, part), getattr(counts, whole)) for share, (part, whole) in SHARES.items()}
    return [
        Cell(loop.arm),
        Cell(name),
        _number(counts.inspections),
        shares["named"],
        shares["precision"],
        shares["recall"],
        _number(counts.refinements),
        *(_verdict_change(loop, number, counts) for number in (counts.fixed, counts.broke, counts.unchanged)),
        shares["kept"],
        _number(counts.tokens),
        _number(counts.evaluations),
    ]


def _verdict_change(loop: ArmLoop, number: int, counts: LoopCounts) -> Cell:
    """A number of refinements, of those whose verdicts count; a dash if there are no verdicts."""
    if not loop.judged:
        return Cell(MISSING, float("nan"))
    return Cell(f"{number:,}", number, f"of {counts.changes:,}")


def _number(count: int) -> Cell:
    return Cell(f"{count:,}", count)


def _share(part: int, whole: int) -> Cell:
    """A share in per cent, with its counts; a dash if there is nothing to count."""
    if not whole:
        return Cell(MISSING, float("nan"))
    return Cell(f"{100 * part / whole:.0f} %", part / whole, f"{part:,} of {whole:,}")
