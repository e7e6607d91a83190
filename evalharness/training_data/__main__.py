"""``python -m evalharness.training_data``: data for any unified model, from a file of prompts in GenEval's format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evalharness.training_data import command
from evalharness.training_data.world import PromptFile


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.main(
        "evalharness.training_data", "Make trajectories to learn from, for prompts of a file.", _add, _world, arguments
    )


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prompts",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON Lines in GenEval's format, such as evalharness prompts geneval --n 2000 --seed 1 prints",
    )


def _world(options: argparse.Namespace) -> PromptFile:
    return PromptFile(options.prompts)


if __name__ == "__main__":
    sys.exit(main())
