"""Finds an earlier run by its sweep file, by the folder of its report, or by its store."""

from __future__ import annotations

import json
from pathlib import Path

from evalharness._util.regular_files import read_regular
from evalharness.config import sweep_files, yaml
from evalharness.config.schema import Sweep
from evalharness.config.shards import sharded
from evalharness.errors import ConfigError
from evalharness.planning.subsets import Size
from evalharness.store.database import FILE
from evalharness.store.report_folders import REPORTS, RESULTS, report_folder

ALL = Size()


def find_run(
    run: str | Path,
    store: Path | None,
    override: sweep_files.Override = sweep_files.unchanged,
    size: Size = ALL,
) -> tuple[Sweep, Path]:
    """The sweep of an earlier run, and the folder of its store.

    Args:
        run: Folder of a report, or a sweep file.
        store: The store, if it is not beside the report.
        override: Applied to the contents of the sweep file.
        size: How much of the sweep was run, if ``run`` is a sweep file.

    Raises:
        ConfigError: ``run`` is neither a report nor a sweep file, or it is a report and a size is given.
    """
    folder = Path(run)
    if folder.is_dir():
        if size != ALL:
            raise ConfigError(f"{run} is a report, which has its own size; --limit and the like go with a sweep file")
        sweep, reports = _reported_sweep(folder, override), folder.parent
    else:
        sweep, reports = size.of(sweep_files.load(run, override)), REPORTS
    return sweep, sharded(store or reports / "store", sweep.shard)


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
    _, store = find_run(folder, None)
    require_store(store)
    return store


def is_store(folder: Path) -> bool:
    """Whether a folder is the store of runs."""
    return (folder / FILE).is_file()


def require_store(folder: Path) -> None:
    """Check that a folder is a store.

    Raises:
        ConfigError: It is not.
    """
    if not is_store(folder):
        raise ConfigError(f"{folder} is not a store: it has no {FILE}")


def _reported_sweep(folder: Path, override: sweep_files.Override) -> Sweep:
    path = folder / RESULTS
    try:
        sweep = json.loads(read_regular(path))["info"]["sweep"]
    except OSError as error:
        if is_store(folder):
            raise ConfigError(
                f"{folder} is a store, not a report; name the report's folder or the sweep file"
            ) from None
        raise ConfigError(f"{folder} is not a report: {path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path} does not name its sweep: {error!r}") from None
    return sweep_files.parse(yaml.Document(path, sweep), override)
