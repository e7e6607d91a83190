"""The option ``--single-file``: the report as one HTML file, too."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalharness.cli.options import require_results
from evalharness.errors import ConfigError
from evalharness.store.results import Results


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--single-file",
        type=Path,
        metavar="FILE",
        help="also write the report as one HTML file, with at most 10 MB of pictures, chosen by rule",
    )


def require_report(options: argparse.Namespace) -> None:
    """Check that a sweep with these options writes a report, and that the file can be one.

    Raises:
        ConfigError: It does not, or cannot.
    """
    if options.single_file is None:
        return
    require_results(options, "writes no report that --single-file could hold")
    if options.single_file.is_dir():
        raise ConfigError(f"--single-file: {options.single_file} is a folder; name a file, such as report.html")


def write(results: Results, path: Path | None, megabytes: float | None = None) -> list[str]:
    """Write the file, if one is asked for; returns what to say of it."""
    if path is None:
        return []
    from evalharness.report.single_file import write_single_file

    written = write_single_file(results, path, megabytes=megabytes)
    shown = "all" if written.samples == written.of else f"{written.samples:,} of {written.of:,}"
    return [f"single file: {path} ({written.size / 1e6:.1f} MB, pictures of {shown} samples)"]
