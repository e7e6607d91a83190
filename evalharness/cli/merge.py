"""``evalharness merge``: copies the contents of other stores into one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness.errors import ConfigError
from evalharness.store.find_run import require_store
from evalharness.store.merge import merge_stores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stores", nargs="+", type=Path, metavar="STORE", help="a store to copy from")
    parser.add_argument(
        "--on-conflict",
        choices=("keep", "take"),
        help="where stores contradict each other: keep the result of the store that is added to, or take the other "
        "(default: stop, and merge nothing)",
    )
    parser.add_argument(
        "--into", type=Path, default=Path("reports") / "store", metavar="DIR", help="the store to add to (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Merge the stores and print a line for each; returns the exit code."""
    for path in options.stores:
        require_store(path)
        if path.resolve() == options.into.resolve():
            raise ConfigError(f"{path} cannot be merged into itself; choose another --into")
    missing = 0
    merged = merge_stores(options.stores, options.into, options.on_conflict)
    for path, (copied, conflicts) in merged.items():
        brought = asdict(copied)
        damaged = brought.pop("damaged")
        if not brought["annotations"]:
            del brought["annotations"]
        missing += damaged
        counts = ", ".join(f"{count} {name}" for name, count in brought.items())
        left = f"; left out: {damaged} trajectories with damaged images" if damaged else ""
        console.write(f"{path}: {counts}{left}")
        if conflicts.counts:
            winner = {"keep": options.into, "take": path}[options.on_conflict]
            console.write(f"  contradictions, in which {winner} wins: {conflicts}")
    if missing:
        console.write_error(f"evalharness: incomplete: {missing} trajectories have damaged images and are left out")
        return ExitCode.INCOMPLETE
    return ExitCode.COMPLETE
