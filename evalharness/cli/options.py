"""Options that several commands share."""

from __future__ import annotations

import argparse
import math

from evalharness.config import literature
from evalharness.errors import ConfigError
from evalharness.planning.subsets import Size

MOST = 10**9
"""Numbers of options are below it: a clock, for one, waits no longer."""


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose how many items and images a sweep takes."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--limit", type=positive, metavar="N", help="take only N items of each benchmark")
    size.add_argument("--full", action="store_true", help="take all items and the benchmark's own number of images")
    parser.add_argument("--samples", type=positive, metavar="N", help="images per prompt")


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose how much of a sweep is taken, see :func:`size_of`."""
    add_size_arguments(parser)
    parser.add_argument("--only", action="append", default=[], metavar="ARM", help="only this arm; may be repeated")
    parser.add_argument(
        "--shard", metavar="I/N", help="only part I of N, with a report and a store beside those of the sweep"
    )


def size_of(options: argparse.Namespace) -> Size:
    """How much of a sweep the options take."""
    return Size(options.full, options.limit, options.samples, tuple(options.only), options.shard)


def positive(text: str) -> int:
    """Parse an option's number, which must be positive."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) < MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def positive_number(text: str) -> float:
    """Parse an option's number, which may have a fraction and must be positive and finite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def require_results(options: argparse.Namespace, lacking: str) -> None:
    """Check that a command with these options ends in results.

    Args:
        options: those of a sweep, or of a command that always has results.
        lacking: what the message says after the name of the option that prevents results.

    Raises:
        ConfigError: An option ends the command before there are results.
    """
    for option in ("draw_only", "check", "dry_run"):
        if getattr(options, option, False):
            raise ConfigError(f"--{option.replace('_', '-')} {lacking}")


def add_gallery_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gallery-mb",
        type=positive_number,
        metavar="MB",
        help="limit the size of the gallery; if images exceed it, a part of them is shown, chosen by rule",
    )


def add_literature_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names published scores to quote."""
    parser.add_argument(
        "--literature",
        action="append",
        default=[],
        metavar="FILE",
        help="quote published scores from this file, each with its source, or from one that comes with evalharness "
        f"({', '.join(literature.shipped())}); may be repeated",
    )
