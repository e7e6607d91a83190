"""The ``evalharness`` command; docs/reliability.md lists its exit codes.

A command is a module of this package with ``add_arguments(parser)`` and ``run(options)``, which returns the exit code.
Only the module of the command that was typed is imported, so that ``--help`` does not wait for the others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import evalharness
from evalharness._util import console
from evalharness._util.guard import exit_on_interrupt, guarded

COMMANDS = {
    "init": ("init", "write a commented sweep file for a kind of model and a benchmark"),
    "sweep": ("sweep", "draw, score and report a sweep file"),
    "run-all": ("run_all", "run several sweeps into one folder, with a page that leads to their reports"),
    "status": ("status", "show how far a run is, from another terminal"),
    "view": ("view", "serve a page that shows a run while it goes on"),
    "report": ("report", "write the report of a run again, from its store"),
    "annotations": ("annotations", "add what people say of a scorer's verdicts to a run's store"),
    "compare": ("compare", "compare two runs: two models, two dates, two settings"),
    "export": ("export", "write an arm's images and scores in a benchmark's own file format"),
    "export-replies": ("export_replies", "write the judges' replies of a run, for the judge replay"),
    "timing": ("timing", "write how long a run's models took, to plan with on another machine"),
    "merge": ("merge", "copy the contents of other stores into one"),
    "gc": ("gc", "remove what a store keeps and nothing refers to"),
    "serve": ("serve", "score images that a training sends, by HTTP"),
    "score-detections": ("score_detections", "score detections that were made by another program"),
    "validate": ("validate", "check trajectories: training data, or those that a model made"),
    "doctor": ("doctor", "check that everything a score depends on works on this machine"),
    "fetch": ("fetch", "download the files that a plugin needs and does not carry"),
    "convert-detector": ("convert_detector", "turn a Mask2Former of MMDetection into one of transformers"),
    "list": ("list_plugins", "show the installed plugins, and what is missing"),
    "prompts": ("prompts", "print a benchmark's prompts"),
}
"""Name of a command → its module in this package, and its line in ``--help``."""

RENAMED = {"collect": "run-all", "replies": "export-replies", "rates": "timing", "verdicts": "score-detections"}
"""Former names, which still work in this version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in RENAMED:
        console.write_error(f"evalharness: `{words[0]}` is now called `{RENAMED[words[0]]}`")
        words[0] = RENAMED[words[0]]
    with exit_on_interrupt():
        options = _parser(words[0] if words else "").parse_args(words)
    return guarded(options.command, options)


def _parser(chosen: str) -> argparse.ArgumentParser:
    """The parser of the whole command line, in which only the chosen command knows its options."""
    parser = argparse.ArgumentParser(prog="evalharness", description=evalharness.__doc__)
    parser.add_argument("--version", action="version", version=f"evalharness {evalharness.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module_name, summary) in COMMANDS.items():
        command_parser = subparsers.add_parser(name, help=summary)
        if name == chosen:
            module = import_module(f"evalharness.cli.{module_name}")
            module.add_arguments(command_parser)
            command_parser.set_defaults(command=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
