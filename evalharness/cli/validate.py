"""``evalharness validate``: checks trajectories, whether training data or drawn by a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.text import one_line
from evalharness.api import registry
from evalharness.errors import ConfigError, did_you_mean
from evalharness.training_data import reading, trajectory_checks

NONE = "none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a folder or file of *.parquet or *.jsonl, or a run's store"
    )
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="the format whose markers are checked if a trajectory names none (default: strokes); "
        "none: only check that markers are balanced",
    )


def run(options: argparse.Namespace) -> int:
    """Print a line for each violation; returns 0 if there is none, else 1."""
    default = options.format or "strokes"
    known = [*registry.available("formats"), NONE]
    if default not in known:
        raise ConfigError(f"--format: no format {default!r}{did_you_mean(default, known)}")
    checked = broken = lines = 0
    for path in options.paths:
        for entry in reading.entries(path):
            checked += 1
            format_name = entry.row.get("format") if isinstance(entry.row, dict) else None
            if not isinstance(format_name, str) or not format_name:
                format_name = default
            violations = list(trajectory_checks.violations(entry.row, format_name=format_name))
            broken, lines = broken + bool(violations), lines + len(violations)
            for violation in violations:
                console.write(one_line(f"{entry.file}: {entry.name}: {violation.rule}: {violation.message}", 2000))
    if checked == 0:
        raise ConfigError(f"{' '.join(map(str, options.paths))}: no trajectories there")
    console.write_error(f"{checked} trajectories, {broken} with violations, {lines} violations")
    return ExitCode.CHECK_FAILED if lines else ExitCode.COMPLETE
