"""``evalharness fetch``: downloads published files, such as the weights that define a benchmark's numbers."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from evalharness._util import console
from evalharness.assets import fetch, hub
from evalharness.assets.listing import Snapshot
from evalharness.assets.plugin_assets import assets_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="a plugin that needs files that do not come with it, such as geneval"
    )
    parser.add_argument(
        "--mirror",
        metavar="DIR_OR_URL",
        default=os.environ.get("EVALHARNESS_MIRROR") or None,
        help="take the files only from this mirror (default: the variable EVALHARNESS_MIRROR)",
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="fill this folder as a mirror, instead of the cache")


def run(options: argparse.Namespace) -> int:
    """Fetch, check and convert files, and print where each is; returns the exit code."""
    for asset in assets_of(options.name):
        if isinstance(asset, Snapshot):
            for path in hub.fetch_snapshot(asset, console.write_error, mirror=options.mirror, root=options.to):
                console.write(str(path))
            continue
        file = fetch.fetch_asset(asset, console.write_error, mirror=options.mirror, root=options.to)
        console.write(str(file))
        if asset.convert is not None and options.to is None:
            console.write(str(fetch.convert_asset(asset, file, console.write_error)))
    return 0
