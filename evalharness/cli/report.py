"""``evalharness report``: writes the report of a run again from its store, without drawing or scoring anything."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from evalharness._front import load_results
from evalharness._util import console
from evalharness.cli import single_file
from evalharness.cli.completeness import say_what_is_missing
from evalharness.cli.options import (
    add_gallery_argument,
    add_literature_argument,
    add_selection_arguments,
    size_of,
)
from evalharness.cli.tracking import add_arguments as add_tracking_arguments
from evalharness.cli.tracking import tracking_of
from evalharness.report import terminal
from evalharness.store.find_run import find_report
from evalharness.store.report_folders import locked_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes (default: where it was)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")
    add_selection_arguments(parser)
    add_gallery_argument(parser)
    single_file.add_argument(parser)
    add_tracking_arguments(parser)
    add_literature_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the report of a run again; returns the exit code."""
    size = size_of(options)
    single_file.require_report(options)
    tracking = tracking_of(options)
    with load_results(options.run, store=options.store, quoted=options.literature, **asdict(size)) as results:
        out: Path = options.out or find_report(options.run, size)
        with locked_folder(out):
            page = results.to_html(out, gallery_mb=options.gallery_mb)
        lines = [*terminal.table(results.data), *terminal.failed(results.data), "", f"report: {page}"]
        lines += single_file.write(results.data, options.single_file, options.gallery_mb)
        console.write("\n".join(lines))
        if tracked := tracking.track(results.data):
            console.write("\n".join(tracked))
        return say_what_is_missing(results.data)
