"""The ``evalharness`` command. A mistake is one line on stderr and exit code 2; Ctrl-C is 130."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from inspect import signature
from pathlib import Path

import evalharness
from evalharness._util.guard import Command, guarded
from evalharness.errors import ConfigError, PluginError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    return guarded(command, options)


def _parser() -> argparse.ArgumentParser:
    from evalharness.cli import (
        collect,
        doctor,
        export,
        fetch,
        merge,
        rates,
        replies,
        reports,
        status,
        sweep,
        validate,
        verdicts,
    )

    parser = argparse.ArgumentParser(prog="evalharness", description=evalharness.__doc__)
    parser.add_argument("--version", action="version", version=f"evalharness {evalharness.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("sweep", help="draw, score and report a sweep file")
    sweep.add_arguments(run)
    run.set_defaults(command=sweep.run)

    listing = commands.add_parser("list", help="show the plugins that are installed, and what is missing")
    listing.set_defaults(command=_list)

    prompts = commands.add_parser("prompts", help="print a benchmark's prompts")
    prompts.add_argument("benchmark", help="name of the benchmark, such as geneval")
    prompts.add_argument("--n", type=int, metavar="N", help="a new suite of the same distribution, N draws a task")
    prompts.add_argument("--seed", type=int, metavar="S", help="a new suite, drawn from this seed")
    prompts.set_defaults(command=_prompts)

    again = commands.add_parser("report", help="write the report of a run again, from its store")
    reports.add_report_arguments(again)
    again.set_defaults(command=reports.report)

    comparing = commands.add_parser("compare", help="compare two runs: two models, two dates, two settings")
    reports.add_compare_arguments(comparing)
    comparing.set_defaults(command=reports.compare)

    several = commands.add_parser("collect", help="run several sweeps into one folder, with a page that leads to them")
    collect.add_arguments(several)
    several.set_defaults(command=collect.run)

    files = commands.add_parser("export", help="write an arm's images and verdicts as a benchmark's own programs do")
    export.add_arguments(files)
    files.set_defaults(command=export.run)

    state = commands.add_parser("status", help="show how far a run is, from another terminal")
    status.add_arguments(state)
    state.set_defaults(command=status.run)

    merging = commands.add_parser("merge", help="bring what other stores hold into one")
    merge.add_arguments(merging)
    merging.set_defaults(command=merge.run)

    said = commands.add_parser("replies", help="write what the judges of a run said, for others to replay")
    replies.add_arguments(said)
    said.set_defaults(command=replies.run)

    took = commands.add_parser("rates", help="write how long a run's models took, to plan with on another machine")
    rates.add_arguments(took)
    took.set_defaults(command=rates.run)

    judging = commands.add_parser("verdicts", help="judge detections that were made elsewhere")
    verdicts.add_arguments(judging)
    judging.set_defaults(command=verdicts.run)

    health = commands.add_parser("doctor", help="check that all a score rests on works on this machine")
    doctor.add_arguments(health)
    health.set_defaults(command=doctor.run)

    fetching = commands.add_parser("fetch", help="download what a plugin needs and does not carry")
    fetch.add_arguments(fetching)
    fetching.set_defaults(command=fetch.run)

    checking = commands.add_parser("validate", help="check trajectories: training data, or what a model made")
    validate.add_arguments(checking)
    checking.set_defaults(command=validate.run)

    convert = commands.add_parser("convert-detector", help="turn a Mask2Former of MMDetection into one of transformers")
    convert.add_argument("checkpoint", type=Path, metavar="IN.pth", help="a checkpoint of MMDetection 2.x or 3.x, Swin")
    convert.add_argument("folder", type=Path, metavar="OUT", help="a new folder, for the detector mask2former")
    convert.set_defaults(command=_convert_detector)
    return parser


def _list(options: argparse.Namespace) -> int:
    from evalharness.api import registry

    for kind in registry.KINDS:
        print(kind)
        found = registry.available(kind)
        width = max(map(len, found), default=0)
        for name in found:
            try:
                registry.load(kind, name)
                note = found[name].value
            except PluginError as error:
                note = f"not usable: {error}"
            print(f"  {name:<{width}}  {note}")
        if not found:
            print("  none")
    return 0


def _prompts(options: argparse.Namespace) -> int:
    from evalharness.api import registry

    if options.n is not None and options.n < 1:
        raise ConfigError(f"--n must be above 0, got {options.n}")
    if options.seed is not None and options.seed < 0:
        raise ConfigError(f"--seed must not be below 0, got {options.seed}")
    plugin = registry.load("benchmarks", options.benchmark)
    if not hasattr(plugin, "prompt_file"):
        raise ConfigError(f"benchmark {options.benchmark!r} does not carry its prompts")
    asked = {name: getattr(options, name) for name in ("n", "seed") if getattr(options, name) is not None}
    fixed = [f"--{name}" for name in asked if name not in signature(plugin.prompt_file).parameters]
    if fixed:
        raise ConfigError(f"{fixed[0]}: the prompts of {options.benchmark!r} are not made from a seed")
    sys.stdout.write(plugin.prompt_file(**asked))
    return 0


def _convert_detector(options: argparse.Namespace) -> int:
    from evalharness.detectors import checkpoint

    checkpoint.to_folder(options.checkpoint, options.folder)
    print(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
