"""The options of a sweep that make its exit code depend on its results."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import NamedTuple

from evalharness.cli.options import require_results
from evalharness.errors import ConfigError

SUMMARY = "GITHUB_STEP_SUMMARY"
"""The environment variable with which GitHub names the file of a step's summary."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("gates", "exit code 1 if the results do not keep a limit; see docs/gates.md")
    limit_help = "fail if any arm, or the named one, scores less (0..1; missing samples count as wrong)"
    group.add_argument(
        "--fail-under", action="append", default=[], type=_limit, metavar="BENCHMARK[/ARM]=SCORE", help=limit_help
    )
    worse_help = "fail if an arm is significantly worse than the arm of that name in an earlier run"
    group.add_argument("--fail-if-worse", metavar="RUN", help=worse_help)
    group.add_argument("--fail-incomplete", action="store_true", help="fail if a sample has no score")
    group.add_argument("--junit", type=Path, metavar="FILE", help="write the outcomes as JUnit's XML")
    group.add_argument(
        "--step-summary",
        nargs="?",
        const=os.environ.get(SUMMARY, ""),
        metavar="FILE",
        help=f"append scores and outcomes in Markdown (default: to the file that ${SUMMARY} names)",
    )


class Limit(NamedTuple):
    """The lowest score that passes, in 0..1; ``arm`` is ``None`` for every arm."""

    benchmark: str
    arm: str | None
    score: float


def _limit(text: str) -> Limit:
    """Parse ``BENCHMARK[/ARM]=SCORE``; the name of an arm may contain ``=``."""
    name, equals, number = text.rpartition("=")
    benchmark, _, arm = name.partition("/")
    try:
        score = float(number)
    except ValueError:
        score = math.nan
    if not equals or not benchmark or not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not BENCHMARK=SCORE or BENCHMARK/ARM=SCORE with a score in 0..1")
    return Limit(benchmark, arm or None, score)


def given(options: argparse.Namespace) -> bool:
    """Whether the options ask for anything that needs results."""
    return _gated(options) or options.junit is not None or options.step_summary is not None


def check_gates(options: argparse.Namespace) -> None:
    """Check that a run with these options has results that gates can be held against.

    Raises:
        ConfigError: It has none, or a part only, or there is no gate to tell of.
    """
    if not given(options):
        return
    require_results(options, "has no results that gates could be held against")
    if options.shard is not None:
        raise ConfigError("--shard has a part of the results; merge the shards, then run the sweep with its gates")
    if options.junit is not None and not _gated(options):
        raise ConfigError("--junit has nothing to tell; add --fail-under, --fail-if-worse or --fail-incomplete")


def summary_file(options: argparse.Namespace) -> Path | None:
    """The file that the summary of a step is appended to.

    Raises:
        ConfigError: It is asked for, and neither the option nor the environment names it.
    """
    if options.step_summary == "":
        raise ConfigError(f"--step-summary: ${SUMMARY} is not set; name a file")
    return None if options.step_summary is None else Path(options.step_summary)


def _gated(options: argparse.Namespace) -> bool:
    return bool(options.fail_under) or options.fail_if_worse is not None or options.fail_incomplete
