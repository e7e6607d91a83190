"""Finds an earlier run by its sweep file, by the folder of its report, or by its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness._util.finite_json import finite_json
from evalharness._util.regular_files import read_regular
from evalharness.config import sweep_files
from evalharness.config.shards import Shard, sharded
from evalharness.errors import ConfigError
from evalharness.planning.plan import Plan
from evalharness.planning.plan_record import NAME
from evalharness.planning.planner import make_plan
from evalharness.planning.recorded_plans import read_plan
from evalharness.planning.subsets import Size, select
from evalharness.store.database import FILE
from evalharness.store.report_folders import PLAN, REPORTS, RESULTS, report_folder

ALL = Size()


def find_plan(run: str | Path, store: Path | None, size: Size = ALL, arms: Sequence[str] = ()) -> tuple[Plan, Path]:
    """The plan of an earlier run, and the folder of its store. Of a report's folder, no plugin is made.

    Args:
        run: Folder of a report, or a sweep file.
        store: The store, if it is not beside the report.
        size: How much of the sweep was run, if ``run`` is a sweep file.
        arms: The arms that are wanted; without names, all.

    Raises:
        ConfigError: ``run`` is neither a report nor a sweep file, or it is a report and a size is given.
    """
    folder = Path(run)
    if not folder.is_dir():
        sweep = size.of(sweep_files.load(run))
        return make_plan(select(sweep, arms)), sharded(store or REPORTS / "store", sweep.shard)
    if size != ALL:
        raise ConfigError(f"{run} is a report, which has its own size; --limit and the like go with a sweep file")
    _reported(folder)
    try:
        plan = read_plan(folder / PLAN)
    except FileNotFoundError:
        raise ConfigError(
            f"{folder} is a report of an earlier version, which does not record its plan; name its sweep file instead"
        ) from None
    return plan.only(arms), sharded(store or folder.parent / "store", plan.sweep.shard)


def find_report(run: str | Path, size: Size = ALL) -> Path:
    """The folder of an earlier run's report: ``run`` itself, or the usual one of a sweep file.

    Raises:
        ConfigError: ``run`` is neither a folder nor a sweep file.
    """
    folder = Path(run)
    if folder.is_dir():
        return folder
    sweep = size.of(sweep_files.load(run))
    return sharded(report_folder(sweep.name, size), sweep.shard)


def find_store(folder: Path) -> Path:
    """The store that a folder is, or that the report in it was made from.

    Raises:
        ConfigError: The folder is neither.
    """
    if is_store(folder):
        return folder
    if not (folder / RESULTS).is_file():
        raise ConfigError(f"{folder} is neither a store nor a report: it has no {FILE} and no {RESULTS}")
    store = sharded(folder.parent / "store", _shard(folder))
    require_store(store)
    return store


def is_store(folder: Path) -> bool:
    """Whether a folder is the store of runs."""
    return (folder / FILE).is_file()


def require_no_run(folder: Path) -> None:
    """Check that a folder holds neither a report, nor a run in progress, nor a store, which other output would replace.

    Raises:
        ConfigError: It does.
    """
    for name in (RESULTS, PLAN, NAME, FILE):
        if (folder / name).exists():
            raise ConfigError(f"{folder} holds a run ({name}), which would be replaced; choose another --out")


def require_store(folder: Path) -> None:
    """Check that a folder is a store.

    Raises:
        ConfigError: It is not.
    """
    if not is_store(folder):
        raise ConfigError(f"{folder} is not a store: it has no {FILE}")


def _reported(folder: Path) -> Any:
    """The sweep that a report says it is of, unchecked.

    Raises:
        ConfigError: The folder is no report.
    """
    path = folder / RESULTS
    try:
        return finite_json(read_regular(path))["info"]["sweep"]
    except OSError as error:
        if is_store(folder):
            raise ConfigError(
                f"{folder} is a store, not a report; name the report's folder or the sweep file"
            ) from None
        raise ConfigError(f"{folder} is not a report: {path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} does not name its sweep: {error!r}") from None


def _shard(folder: Path) -> Shard | None:
    sweep = _reported(folder)
    shard = sweep.get("shard") if isinstance(sweep, Mapping) else None
    return Shard.parse(shard) if isinstance(shard, str) else None
