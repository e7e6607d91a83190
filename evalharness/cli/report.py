"""``evalharness report``: write the report of a run again, from its store, without drawing or scoring anything."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalharness.cli.find_run import stored_results
from evalharness.cli.options import add_gallery_argument
from evalharness.config import literature
from evalharness.report import terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes (default: where it was)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")
    add_gallery_argument(parser)
    literature.add_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the report of a run again; returns the exit code."""
    from evalharness.report import build

    folder = Path(options.run)
    with stored_results(options.run, options.store, options.literature) as results:
        out: Path = options.out or (folder if folder.is_dir() else Path("reports") / results.info["name"])
        page = build(results, out, gallery_mb=options.gallery_mb)
        lines = [*terminal.table(results), *terminal.failed(results), "", f"report: {page}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
