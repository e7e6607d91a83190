"""Finds an earlier run by its sweep file or by the folder of its report."""

from __future__ import annotations

import json
from pathlib import Path

from evalharness.config import sweep_files, yaml
from evalharness.config.schema import Sweep
from evalharness.config.shards import sharded
from evalharness.errors import ConfigError
from evalharness.planning.subsets import Size
from evalharness.store.report_folders import REPORTS

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
        sweep, reports = _reported_sweep(folder / "results.json", override), folder.parent
    else:
        sweep, reports = size.of(sweep_files.load(run, override)), REPORTS
    return sweep, sharded(store or reports / "store", sweep.shard)


def _reported_sweep(path: Path, override: sweep_files.Override) -> Sweep:
    try:
        sweep = json.loads(path.read_bytes())["info"]["sweep"]
    except OSError as error:
        raise ConfigError(f"{path.parent} is not a report: {path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path} does not name its sweep: {error!r}") from None
    return sweep_files.parse(yaml.Document(path, sweep), override)
