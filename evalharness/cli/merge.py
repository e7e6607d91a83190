"""``evalharness merge``: copies the contents of other stores into one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from evalharness._util.exit_codes import ExitCode
from evalharness.errors import ConfigError
from evalharness.store.merge import merge
from evalharness.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stores", nargs="+", type=Path, metavar="STORE", help="a store to read")
    parser.add_argument(
        "--into", type=Path, default=Path("reports") / "store", metavar="DIR", help="the store to add to (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Merge the stores and print a line for each; returns the exit code."""
    for path in options.stores:
        if not (path / "store.sqlite").is_file():
            raise ConfigError(f"{path} is not a store: it has no store.sqlite")
        if path.resolve() == options.into.resolve():
            raise ConfigError(f"{path} cannot be merged into itself; choose another --into")
    code = ExitCode.COMPLETE
    with Store(options.into) as into:
        for path in options.stores:
            with Store(path, write=False) as source:
                brought = asdict(merge(source, into))
            damaged = brought.pop("damaged")
            if damaged:
                code = ExitCode.INCOMPLETE
            counts = ", ".join(f"{count} {name}" for name, count in brought.items())
            left = f"; left out: {damaged} trajectories with damaged images" if damaged else ""
            sys.stdout.write(f"{path}: {counts}{left}\n")
    return code
