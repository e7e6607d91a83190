"""``evalharness rates``: how long a run's models took, as a file by which another machine can plan."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from evalharness import rates
from evalharness.commands.runs import find_run
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.plan import make_plan
from evalharness.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a report, or a sweep file that was run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: print)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")


def run(options: argparse.Namespace) -> int:
    """The whole job; returns the exit code."""
    sweep, where = find_run(options.run, options.store)
    plan = make_plan(sweep)
    with Store(where, write=False) as store:
        seconds = rates.measured(plan, store)
        hardware = store.run_info(plan.key()).get("hardware")
    if not seconds:
        raise ConfigError(f"{where} has no image of {sweep.name!r}; run the sweep first, with --limit 8 for a start")
    source = f"{hardware or 'unknown hardware'}, {datetime.now(UTC).date()}"
    text = yaml.safe_dump({"source": source, "seconds": seconds}, sort_keys=False, allow_unicode=True)
    if options.out is None:
        sys.stdout.write(text)
        return 0
    try:
        with options.out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{options.out} exists; choose another --out") from None
    except OSError as error:
        raise EvalHarnessError(f"cannot write {options.out}: {error.strerror}") from error
    return 0
