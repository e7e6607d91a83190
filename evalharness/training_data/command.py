"""The command line that makes a data set, shared by all worlds."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from evalharness._util import console
from evalharness._util.guard import guarded
from evalharness._util.validation import first_mistake
from evalharness.errors import ConfigError, did_you_mean
from evalharness.training_data.builder import ARMS
from evalharness.training_data.dataset import DatasetRequest, log, make_dataset
from evalharness.training_data.world import World


def main(
    prog: str,
    description: str,
    add_world_arguments: Callable[[argparse.ArgumentParser], None],
    make_world: Callable[[argparse.Namespace], World],
    arguments: Sequence[str] | None = None,
    *,
    teacher: str | None = None,
    model: str | None = None,
) -> int:
    """Run the command for one kind of world.

    Args:
        prog: The module that is run.
        description: The first lines of its help.
        add_world_arguments: Adds the options of the world.
        make_world: Makes the world from the options.
        arguments: The command line; by default that of the process.
        teacher: The default teacher; without one the option is required.
        model: The default model.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=description)
    add_world_arguments(parser)
    _add_arguments(parser, teacher=teacher, model=model)
    return guarded(lambda options: _run(options, make_world(options)), parser.parse_args(arguments))


def _add_arguments(parser: argparse.ArgumentParser, *, teacher: str | None, model: str | None) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the data set to")
    parser.add_argument("--n", type=int, required=True, metavar="N", help="number of prompts")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of all random choices (default: 0)")
    arm_help = f"what the data contain: one of {', '.join(ARMS)} (default: full)"
    parser.add_argument("--arm", default="full", metavar="ARM", help=arm_help)
    teacher_help = "what draws the states: a plugin, or {name: …, key: value …} in YAML"
    parser.add_argument("--teacher", default=teacher, required=teacher is None, metavar="PLUGIN", help=teacher_help)
    filter_help = "what checks the drawings, given as the teacher is (default: scorer)"
    parser.add_argument("--filter", default="scorer", metavar="PLUGIN", help=filter_help)
    model_help = "the checkpoint that is to learn from its own drawings; needed by arms with self-sampling only"
    parser.add_argument("--model", default=model, metavar="PLUGIN", help=model_help)


def dataset_request(options: argparse.Namespace, world: World) -> DatasetRequest:
    """Check the options.

    Raises:
        ConfigError: An option is invalid.
    """
    if options.arm not in ARMS:
        raise ConfigError(f"--arm: no arm {options.arm!r}{did_you_mean(options.arm, ARMS)}")
    values = {name: getattr(options, name) for name in ("out", "n", "seed", "arm")}
    for name in ("teacher", "filter", "model"):
        text = getattr(options, name)
        if text is not None:
            values[name] = _parse_plugin(name, text)
    try:
        return DatasetRequest.model_validate({**values, "world": world})
    except ValidationError as error:
        mistake = first_mistake(error, DatasetRequest)
        raise ConfigError(f"--{mistake.location[0]}: {mistake.message}") from None


def _parse_plugin(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--{name}: {text!r} is neither a name nor YAML such as {{name: NAME, key: value}}") from None


def _run(options: argparse.Namespace, world: World) -> int:
    # The handler is for this logger only, because the scorers' libraries log a lot.
    log.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    card = make_dataset(dataset_request(options, world))
    console.write(f"{options.out}: {json.dumps(card['counts'])}")
    return 0
