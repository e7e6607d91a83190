"""``evalharness prompts``: prints a benchmark's prompts, or a new suite of the same distribution."""

from __future__ import annotations

import argparse
from inspect import signature

from evalharness._util import console
from evalharness.api import registry
from evalharness.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", help="name of the benchmark, such as geneval")
    parser.add_argument(
        "--n", type=int, metavar="N", help="print a new suite of the same distribution with N draws for each task"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="print a new suite drawn from this seed")


def run(options: argparse.Namespace) -> int:
    """Print the prompts; returns the exit code."""
    if options.n is not None and options.n < 1:
        raise ConfigError(f"--n must be above 0, got {options.n}")
    if options.seed is not None and options.seed < 0:
        raise ConfigError(f"--seed must not be below 0, got {options.seed}")
    plugin = registry.load("benchmarks", options.benchmark)
    if plugin.prompt_file is None:
        raise ConfigError(f"benchmark {options.benchmark!r} does not carry its prompts")
    values = {name: getattr(options, name) for name in ("n", "seed") if getattr(options, name) is not None}
    fixed = [f"--{name}" for name in values if name not in signature(plugin.prompt_file).parameters]
    if fixed:
        raise ConfigError(f"{fixed[0]}: the prompts of {options.benchmark!r} are not made from a seed")
    console.write_data(plugin.prompt_file(**values))
    return 0
