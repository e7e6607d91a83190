"""``python -m evalharness.training_data``: data for any unified model, from a file of prompts in GenEval's format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evalharness.training_data import command
from evalharness.training_data.world import PromptFile


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    description = "Make trajectories to learn from, for prompts of a file."
    return command.main("evalharness.training_data", description, _add_arguments, _prompt_file, arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prompts",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON Lines in GenEval's format, such as evalharness prompts geneval --n 2000 --seed 1 prints",
    )


def _prompt_file(options: argparse.Namespace) -> PromptFile:
    return PromptFile(options.prompts)


if __name__ == "__main__":
    sys.exit(main())
