"""``python -m evalharness.miniature.training.data``: trajectories of the embedded world."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from evalharness.errors import ConfigError
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.training_data import command


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.main(
        "evalharness.miniature.training.data",
        "Make trajectories of the embedded world to learn from.",
        _add,
        _world,
        arguments,
        teacher="renderer",
        model="miniature",
    )


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--knowledge", type=float, default=0.15, metavar="SHARE", help="of knowledge prompts (0.15)")
    parser.add_argument("--crowded", type=float, default=0.4, metavar="SHARE", help="of harder prompts (default: 0.4)")


def _world(options: argparse.Namespace) -> MiniatureWorld:
    if not (options.knowledge >= 0 and options.crowded >= 0 and options.knowledge + options.crowded <= 1):  # nor NaN
        raise ConfigError("--knowledge and --crowded are shares: not below 0, together at most 1")
    return MiniatureWorld(knowledge=options.knowledge, crowded=options.crowded)


if __name__ == "__main__":
    sys.exit(main())
