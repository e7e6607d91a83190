"""The summary of a run in Markdown, as the page of a CI job shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalharness._util.text import printable
from evalharness.analysis import gates
from evalharness.analysis.coverage import coverages
from evalharness.report import terminal
from evalharness.report.table_files import markdown_table, markdown_text

if TYPE_CHECKING:
    from evalharness.analysis.gates import Outcome
    from evalharness.store.results import Results


def step_summary(results: Results, outcomes: Sequence[Outcome]) -> str:
    """A table of scores for each benchmark, then one of the gates' outcomes."""
    import pandas as pd

    parts = [f"## {printable(results.info['name'])}"]
    for name, info in results.info["benchmarks"].items():
        rows = [
            {"arm": arm, "overall": terminal.overall(covered, info["weights"]), "scored": covered.text}
            for arm, covered in coverages(results, name).items()
        ]
        parts += [f"### {printable(info.get('title', name))}", markdown_table(pd.DataFrame(rows))]
    if outcomes:
        rows = [
            {
                "gate": outcome.verdict,
                "benchmark": outcome.benchmark,
                "arm": outcome.arm,
                "limit": outcome.rule,
                "result": outcome.detail,
            }
            for outcome in outcomes
        ]
        parts += ["### Gates", markdown_table(pd.DataFrame(rows))]
        parts += [f"note: {markdown_text(note)}" for note in gates.notes(outcomes)]
    missing = terminal.missing(results)
    if missing is not None:
        parts.append(printable(missing))
    return "\n\n".join(parts) + "\n"
