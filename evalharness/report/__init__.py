"""Tables, figures and a page from the results of a run."""

from __future__ import annotations

from pathlib import Path

from evalharness.store.results import Results

__all__ = ["build"]


def build(results: Results, out: Path, *, gallery_mb: float | None = None) -> Path:
    """Write the report of ``results`` to the folder ``out``; returns ``out / "index.html"``.

    ``gallery_mb`` bounds the images and trajectories that it carries, in megabytes: of more a part is shown, chosen by
    rule, and of each sample there is a row of Parquet but no line of JSON. All numbers are of all samples.

    Raises :class:`~evalharness.errors.EvalHarnessError` when ``out`` cannot be written.
    """
    from evalharness.report.page import write_page

    return write_page(results, Path(out), gallery_mb=gallery_mb)
