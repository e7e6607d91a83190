"""``evalharness score-detections``: scores detections that another program made, by a benchmark's rules.

Each line of JSON that is read gives a line of JSON. The options of a benchmark are the numbers of its rules.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from pydantic import BaseModel, ValidationError

from evalharness._util import console
from evalharness._util.json_lines import numbered_lines
from evalharness._util.json_text import require_json
from evalharness._util.validation import first_mistake
from evalharness.api import registry
from evalharness.api.benchmark import RuleBased
from evalharness.errors import ConfigError
from evalharness.types.score import is_right


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", help="name of a benchmark with rules, such as geneval")
    parser.add_argument(
        "rest",
        nargs=argparse.REMAINDER,
        metavar="FILE [OPTION …]",
        help="detections as JSON Lines, - for stdin; a benchmark's options: evalharness score-detections geneval -h",
    )


def run(options: argparse.Namespace) -> int:
    """Print a verdict for each line; returns the exit code.

    It stops at the first malformed line, which it names; verdicts of earlier lines have been printed by then.
    """
    plugin = registry.load("benchmarks", options.benchmark)
    if not issubclass(plugin, RuleBased):
        raise ConfigError(f"benchmark {options.benchmark!r} has no rules that could judge evidence without a model")
    values = vars(_parser(options.benchmark, plugin.rules).parse_args(options.rest))
    file = values.pop("FILE")
    rules = _rules(plugin.rules, values)
    with _opened(file) as lines:
        for number, line in numbered_lines(lines):
            place = f"{'stdin' if file == '-' else file} line {number}"
            score = plugin.verdict(require_json(line, place), rules, place)
            console.write_data(json.dumps({"correct": is_right(score.value), "reason": score.reason}) + "\n")
    return 0


def _parser(benchmark: str, rules: type[BaseModel]) -> argparse.ArgumentParser:
    """A parser for the file and an option for each number of the rules."""
    parser = argparse.ArgumentParser(
        prog=f"evalharness score-detections {benchmark}", description=_first_line(rules.__doc__)
    )
    parser.add_argument("FILE", help="evidence as JSON Lines; - for stdin")
    for name, field in rules.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        text = f"{' '.join((field.description or '').split())} (default: {field.default})"
        parser.add_argument(option, dest=name, default=argparse.SUPPRESS, metavar="N", help=text)
    return parser


def _rules(rules: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    try:
        return rules.model_validate(values)
    except ValidationError as error:
        mistake = first_mistake(error, rules)
        option = str(mistake.location[0]).replace("_", "-")
        raise ConfigError(f"--{option}: {mistake.message}, got {mistake.value!r}") from None


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        if sys.stdin is None:  # the shell closed it, as with <&-
            raise ConfigError("stdin is closed; give a file in place of -, or pipe detections in")
        yield sys.stdin.buffer
        return
    try:
        handle = open(file, "rb")  # noqa: PTH123, SIM115 - closed below; an error of the body is not one of opening
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    with handle:
        yield handle


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
