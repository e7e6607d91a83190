"""``evalharness convert-detector``: converts a Mask2Former from MMDetection to transformers."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalharness._util import console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="IN.pth", help="a checkpoint of MMDetection 2.x or 3.x, Swin")
    parser.add_argument("folder", type=Path, metavar="OUT", help="a new folder, for the detector mask2former")


def run(options: argparse.Namespace) -> int:
    """Convert the checkpoint and print the folder; returns the exit code."""
    from evalharness.detectors import checkpoint

    checkpoint.to_folder(options.checkpoint, options.folder)
    console.write(str(options.folder))
    return 0
