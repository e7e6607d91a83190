"""Says what a run lacks, and gives the exit code that follows."""

from __future__ import annotations

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness.report import terminal
from evalharness.store.results import Results


def say_what_is_missing(results: Results) -> ExitCode:
    """Write one line on stderr if samples or checks have no score; returns the exit code."""
    line = terminal.missing(results)
    if line is None:
        return ExitCode.COMPLETE
    console.write_error(f"evalharness: {line}")
    return ExitCode.INCOMPLETE
