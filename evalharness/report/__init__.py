"""Tables, figures and a page from the results of a run."""

from __future__ import annotations

from pathlib import Path

from evalharness.results import Results

__all__ = ["build"]


def build(results: Results, out: Path) -> Path:
    """Write the report of ``results`` to the folder ``out``; returns ``out / "index.html"``.

    Raises :class:`~evalharness.errors.EvalHarnessError` when ``out`` cannot be written.
    """
    from evalharness.report.page import write_page

    return write_page(results, Path(out))
