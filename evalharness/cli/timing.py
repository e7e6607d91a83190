"""``evalharness timing``: writes how long a sweep's models take, measured now or in an earlier run, to plan with."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import yaml

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.hashing import digest
from evalharness._util.progress import Progress
from evalharness._util.text import counted
from evalharness.cli.options import positive
from evalharness.config import overrides, sweep_files
from evalharness.config.schema import Sweep
from evalharness.config.shards import sharded
from evalharness.errors import ConfigError, EvalHarnessError, WeightsError
from evalharness.execution.engine import Engine
from evalharness.execution.parts import Parts
from evalharness.execution.rates import measured_seconds, unmeasured_arms
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import resize, select
from evalharness.store.find_run import find_plan
from evalharness.store.report_folders import REPORTS
from evalharness.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a sweep file, or the folder of a report")
    parser.add_argument(
        "--draw", type=positive, metavar="N", help="first draw one image for each of N prompts; score nothing"
    )
    parser.add_argument("--only", action="append", default=[], metavar="ARM", help="only this arm; may be repeated")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: standard output)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: beside the report)")
    overrides.add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, and write or print the rates; returns the exit code."""
    if options.out is not None and options.out.exists():
        raise ConfigError(f"{options.out} exists; choose another --out")
    plan, store_path, missing = _found(options)
    failed = 0
    if options.draw is not None:
        failed = _draw(make_plan(resize(plan.sweep, limit=options.draw, samples=1), {}), store_path)
    with Store(store_path, write=False) as store:
        seconds = measured_seconds(plan, store)
        source = _source(plan, store)
        missing += [f"{arm} of {alias}: nothing is drawn" for alias, arm in unmeasured_arms(plan, store)]
    if not seconds:
        raise ConfigError(f"{store_path} has no image of {plan.sweep.name!r}; draw a few before, with --draw 8")
    _write(yaml.safe_dump({"source": source, "seconds": seconds}, sort_keys=False, allow_unicode=True), options.out)
    lacking = [f"{counted(failed, 'drawing')} failed, and rates are of the others"] if failed else []
    lacking += [f"no rate of {what}" for what in missing]
    if lacking:
        console.write_error(f"evalharness: incomplete: {'; '.join(lacking)}")
        return ExitCode.INCOMPLETE
    return ExitCode.COMPLETE


def _found(options: argparse.Namespace) -> tuple[Plan, Path, list[str]]:
    """The plan, its store, and why the models that are missing are.

    Raises:
        ConfigError: Of a report, which is only read, something is to be drawn or changed.
    """
    if Path(options.run).is_dir():
        if options.draw is not None or options.model or options.weights:
            raise ConfigError(f"{options.run} is a report, which is only read; name its sweep file instead")
        plan, store_path = find_plan(options.run, options.store, arms=options.only)
        return plan, store_path, []
    sweep = sweep_files.load(options.run, partial(overrides.overridden, options))
    plan, missing = _planned(select(sweep, options.only))
    return plan, sharded(options.store or REPORTS / "store", sweep.shard), missing


def _planned(sweep: Sweep) -> tuple[Plan, list[str]]:
    """Plan what can be drawn on this machine. Scorers may be missing; a missing model is left out with a message.

    Returns:
        The plan, and for each missing model its name and why it is missing.

    Raises:
        WeightsError: All models are missing.
    """
    absent: dict[str, str] = {}
    plan = make_plan(sweep, absent)
    missing = {alias: absent[f"model {alias}"] for alias in sweep.models if f"model {alias}" in absent}
    if not missing:
        return plan, []
    if len(missing) == len(sweep.models):
        raise WeightsError(next(iter(missing.values())))
    for alias, reason in missing.items():
        Progress().say(f"not measured: model {alias}: {reason}")
    there = [arm.name for arm in sweep.arms if arm.model not in missing]
    return make_plan(select(sweep, there), {}), [f"model {alias}: {reason}" for alias, reason in missing.items()]


def _draw(plan: Plan, store_path: Path) -> int:
    """Draw what the plan lacks; the sweep will not draw it again. Returns the number of trajectories that failed."""
    executor = plan.sweep.executor.build()
    with Store(store_path) as store:
        progress = Progress()
        try:
            Engine(plan, store, executor, progress, Parts(scoring=False, check="none")).run()
        finally:
            executor.close()
        failures = store.failures.get(plan.jobs)
        for reason, count in Counter(failure.reason for failure in failures.values()).items():
            progress.say(f"warning: {count} of {len(plan.jobs)} failed: {reason}")
    return len(failures)


def _source(plan: Plan, store: Store) -> str:
    """The hardware that the plan's models drew on, as far as it was recorded, and the date."""
    models = [digest(dict(identity)) for identity in plan.models.values()]
    infos = store.trajectories.environments(models) or store.runs.all().values()
    hardware = sorted({str(info["hardware"]) for info in infos if info.get("hardware")})
    return f"{' or '.join(hardware) or 'unknown hardware'}, {datetime.now(UTC).date()}"


def _write(text: str, out: Path | None) -> None:
    if out is None:
        console.write_data(text)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EvalHarnessError(f"cannot write {out}: {error.strerror}") from error
