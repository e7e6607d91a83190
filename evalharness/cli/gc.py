"""``evalharness gc``: removes what a store keeps and nothing refers to."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.filesystems import bytes_text
from evalharness._util.text import counted
from evalharness.store.find_run import find_store
from evalharness.store.garbage import find_garbage, remove_garbage
from evalharness.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a store, or the folder of a report beside it")
    verify = "read all images, and say which are damaged; remove nothing"
    parser.add_argument("--verify", action="store_true", help=verify)
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(options: argparse.Namespace) -> int:
    """Remove the garbage of a store and say how much it was; returns the exit code."""
    store = find_store(options.folder)
    if options.verify:
        return _verify(store)
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
        counted(len(garbage.image_rows) + len(garbage.feature_rows), "row") + " about images",
    ]
    verb = "nothing refers to" if options.dry_run else "removed"
    console.write(f"{store}: {verb} {', '.join(counts)}; {bytes_text(size)}")
    return ExitCode.COMPLETE


def _verify(path: Path) -> ExitCode:
    """Read all images of a store; returns the exit code."""
    with Store(path, write=False) as store:
        count, damaged = store.images.verify()
    console.write(f"{path}: {counted(count, 'image')}, {len(damaged)} damaged or missing")
    if not damaged:
        return ExitCode.COMPLETE
    names = ", ".join(damaged[:5]) + (", …" if len(damaged) > 5 else "")
    console.write_error(f"evalharness: damaged or missing: {names}; the sweep that drew them draws them again")
    return ExitCode.CHECK_FAILED
