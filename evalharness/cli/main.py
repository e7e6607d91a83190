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
    "run-all": ("run_all", "run several sweeps into one folder, with an index page of their reports"),
    "status": ("status", "show the progress of a run, from another terminal"),
    "view": ("view", "serve a live page of a run in progress"),
    "report": ("report", "write the report of a run again from its store"),
    "annotations": ("annotations", "add people's verdicts on scored images to a run's store"),
    "compare": ("compare", "compare runs: two models, two dates, two settings"),
    "export": ("export", "write an arm's images, scores or trajectories in the format of another program"),
    "export-replies": ("export_replies", "write the judges' replies of a run to a file for the judge `replay`"),
    "timing": ("timing", "write the rates of a run's models to a file, to plan runs on another machine"),
    "merge": ("merge", "copy the contents of other stores into one"),
    "gc": ("gc", "remove files of a store that nothing refers to"),
    "serve": ("serve", "serve scores over HTTP, for training loops"),
    "score-detections": ("score_detections", "score detections from another program"),
    "validate": ("validate", "check trajectories: training data, or those of a run"),
    "doctor": ("doctor", "check that everything a score depends on works on this machine"),
    "fetch": ("fetch", "download the files that a plugin needs but does not contain"),
    "convert-detector": ("convert_detector", "convert a Mask2Former checkpoint of MMDetection to transformers' format"),
    "list": ("list_plugins", "show the installed plugins, and which packages are missing"),
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
    about = (evalharness.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="evalharness", description=about)
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
