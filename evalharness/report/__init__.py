"""Tables, figures and a page from the results of a run."""

from __future__ import annotations

from pathlib import Path

from evalharness.store.results import Results

__all__ = ["build"]


def build(results: Results, out: Path, *, gallery_mb: float | None = None) -> Path:
    """Write the report of a run.

    Args:
        results: the run's results.
        out: the folder of the report.
        gallery_mb: limit on the images and trajectories of the gallery, in megabytes. If they exceed it, a part of them
            is shown, chosen by rule. With a limit, the files that have a row for every sample are left out. All numbers
            still cover all samples.

    Returns:
        ``out / "index.html"``.

    Raises:
        EvalHarnessError: ``out`` cannot be written.
    """
    from evalharness.report.page import write_page

    return write_page(results, Path(out), gallery_mb=gallery_mb).path
