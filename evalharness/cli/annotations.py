"""``evalharness annotations add``: brings what people said on the pages of a report into the run's store."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalharness._util import console
from evalharness._util.text import counted
from evalharness.errors import ConfigError
from evalharness.store.annotations import add_annotations, read_annotations
from evalharness.store.find_run import find_plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["add"], help="add the verdicts of a file to the run's store")
    parser.add_argument("file", metavar="FILE", type=Path, help="the annotations.jsonl that a report's page saved")
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("--by", default="", metavar="NAME", help="whose verdicts these are, if the file does not say")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")


def run(options: argparse.Namespace) -> int:
    """Add the annotations; returns the exit code.

    Raises:
        ConfigError: the file holds none, one is damaged, or one is of a prompt that the run does not have.
    """
    annotations = read_annotations(options.file, options.by)
    if not annotations:
        raise ConfigError(f"{options.file} holds no annotation")
    plan, store = find_plan(options.run, options.store)
    known = {(name, item.id) for name, planned in plan.benchmarks.items() for item in planned.items}
    for annotation in annotations:
        if (annotation.benchmark, annotation.item) not in known:
            raise ConfigError(f"{options.file}: {options.run} has no prompt {annotation.benchmark}/{annotation.item}")
    total = add_annotations(store, annotations)
    console.write(
        f"{counted(len(annotations), 'annotation')} added, {total} in {store}; "
        f"`evalharness report {options.run}` shows how often people agree with the scorer"
    )
    return 0
