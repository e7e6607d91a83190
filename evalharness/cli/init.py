"""``evalharness init``: writes a commented sweep file for a kind of model and a benchmark."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from evalharness._util import console
from evalharness._util.files import write_text_atomically
from evalharness.config.schema import MAX_SWEEP_NAME
from evalharness.config.starters import BENCHMARKS, MODELS, starter
from evalharness.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the sweep; the file is NAME.yaml, in this folder")
    parser.add_argument("--model", required=True, metavar="KIND", help=f"one of: {', '.join(MODELS)}")
    parser.add_argument("--benchmark", default="geneval", metavar="NAME", help=f"one of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--prompts", metavar="FILE", help="the prompts, for benchmarks that have none of their own")
    parser.add_argument("--images", metavar="DIR", help="the images, for the model `folder`")


def run(options: argparse.Namespace) -> int:
    """Write the file; returns the exit code."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", options.name):
        raise ConfigError(f"{options.name!r} is no name of a sweep; use letters, digits, dots and dashes")
    if len(options.name) > MAX_SWEEP_NAME:
        raise ConfigError(
            f"the name of a sweep has at most {MAX_SWEEP_NAME} characters, this one has {len(options.name)}; shorten it"
        )
    path = Path(f"{options.name}.yaml")
    text = starter(options.name, options.model, options.benchmark, options.prompts, options.images)
    if path.exists():
        raise ConfigError(f"{path} exists; choose another name, or remove it")
    try:
        write_text_atomically(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    console.write(f"wrote {path}; next: evalharness sweep {path} --dry-run")
    return 0
