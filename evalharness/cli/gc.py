"""``evalharness gc``: removes what a store keeps and nothing refers to."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.filesystems import bytes_text
from evalharness._util.text import counted
from evalharness.errors import ConfigError
from evalharness.store.find_run import find_run
from evalharness.store.garbage import find_garbage, remove_garbage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a store, or the folder of a report beside it")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(options: argparse.Namespace) -> int:
    """Remove the garbage of a store and say how much it was; returns the exit code."""
    store = options.folder
    if not (store / "store.sqlite").is_file():
        if not (store / "results.json").is_file():
            raise ConfigError(f"{store} is neither a store nor a report: it has no store.sqlite and no results.json")
        _, store = find_run(store, None)
    if not (store / "store.sqlite").is_file():
        raise ConfigError(f"{store} is not a store: it has no store.sqlite")
    if options.dry_run:
        garbage = find_garbage(store)
        size = garbage.bytes()
    else:
        garbage, size = remove_garbage(store)
    counts = [
        counted(len(garbage.images), "image"),
        counted(len(garbage.tracebacks), "traceback"),
        counted(len(garbage.temporaries), "temporary file"),
        counted(len(garbage.score_rows), "score"),
        counted(len(garbage.image_rows), "row") + " about images",
    ]
    verb = "nothing refers to" if options.dry_run else "removed"
    console.write(f"{store}: {verb} {', '.join(counts)}; {bytes_text(size)}")
    return ExitCode.COMPLETE
