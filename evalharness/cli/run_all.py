"""``evalharness run-all``: runs several sweeps, and writes their reports and a page that links to them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.text import counted
from evalharness.cli import sweep
from evalharness.cli.options import add_gallery_argument, add_size_arguments, positive_number
from evalharness.config import sweep_files
from evalharness.config.shards import sharded
from evalharness.errors import ConfigError, WeightsError
from evalharness.execution.current_run import RUN_RECORDS
from evalharness.planning.plan import Plan
from evalharness.planning.planner import make_plan
from evalharness.planning.subsets import resize
from evalharness.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="sweep files, in the order in which the page shows them"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the reports and the page go")
    parser.add_argument("--store", type=Path, metavar="DIR", help="images and scores (default: store/ beside --out)")
    parser.add_argument("--title", default="Reports", metavar="TEXT", help="the heading of the page")
    add_size_arguments(parser)
    add_gallery_argument(parser)
    parser.add_argument("--most-mb", type=positive_number, metavar="MB", help="fail if all reports together take more")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Draw and score what is missing, write each report, then the page; returns the exit code.

    A sweep whose weights are not on this machine is skipped, and an earlier report of it stays. This is said again when
    the other sweeps are done.
    """
    from evalharness.report.collection import write_collection

    out: Path = options.out
    plans, absent = _plans(options)
    for line in absent:
        _say(f"left out: {line}")
    codes = {ExitCode.INCOMPLETE if absent else ExitCode.COMPLETE}
    store_path: Path = options.store or out.parent / "store"
    _declare(plans, store_path)
    for plan in plans:
        _say(f"\n{plan.sweep.name}: {plan.sweep.description}")
        folder = sharded(out / plan.sweep.name, plan.sweep.shard)
        code = sweep.carry_out(
            plan,
            folder,
            sharded(store_path, plan.sweep.shard),
            quiet=options.quiet,
            trial=options.limit is not None or options.samples is not None,
            gallery_mb=options.gallery_mb,
            info={"sweep": portable(plan.sweep.resolved(), folder)},
        )
        codes.add(code)
    swept = [sweep_files.load(file) for file in options.files]
    page = write_collection(out, options.title, [sharded(Path(each.name), each.shard).name for each in swept])
    megabytes = _report_bytes(out) / 1e6
    _say(f"\n{counted(len(plans), 'sweep')}, {megabytes:.1f} MB: {page}")
    if options.most_mb is not None and megabytes > options.most_mb:
        _complain(f"{out} takes {megabytes:.1f} MB, above --most-mb {options.most_mb:g}; lower --gallery-mb")
        codes.add(ExitCode.CHECK_FAILED)
    if absent:
        _complain(f"{len(absent)} of {len(options.files)} sweeps were left out: {'; '.join(absent)}")
    return max(codes)


def _report_bytes(out: Path) -> int:
    """The size of all reports in a folder, without what their runs record beside them, which needs no publishing."""
    records = {path for name in RUN_RECORDS for path in out.glob(f"*/{name}")}
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file() and path not in records)


def _plans(options: argparse.Namespace) -> tuple[list[Plan], list[str]]:
    """The plans of the sweeps that can run on this machine, and why the others cannot.

    Any other mistake in any of the files is raised before work begins.
    """
    plans: list[Plan] = []
    absent: list[str] = []
    names: set[str] = set()
    for file in options.files:
        loaded = resize(sweep_files.load(file), full=options.full, limit=options.limit, samples=options.samples)
        if loaded.name in names:
            raise ConfigError(f"{file}: a sweep is already called {loaded.name!r}; its report would be overwritten")
        names.add(loaded.name)
        try:
            plans.append(make_plan(loaded))
        except WeightsError as error:
            absent.append(f"{loaded.name} ({error})")
    return plans, absent


def _declare(plans: Sequence[Plan], store_path: Path) -> None:
    """Record what all sweeps declare before the first of them runs: they may share arms."""
    from evalharness.store.declarations import record_declarations

    for plan in plans:
        with Store(sharded(store_path, plan.sweep.shard)) as store:
            record_declarations(plan, store)


def portable(value: Any, folder: Path) -> Any:
    """Make absolute paths in JSON relative to ``folder``, because reports are read on other machines."""
    if isinstance(value, dict):
        return {key: portable(entry, folder) for key, entry in value.items()}
    if isinstance(value, list):
        return [portable(entry, folder) for entry in value]
    if isinstance(value, str) and Path(value).is_absolute() and Path(value).exists():
        return os.path.relpath(value, folder)
    return value


def _say(text: str) -> None:
    console.write(text)


def _complain(text: str) -> None:
    console.write_error(f"evalharness: {text}")
