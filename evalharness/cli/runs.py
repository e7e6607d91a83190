"""Finds a run again: by its sweep file, or by the folder of its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from evalharness.config import schema, yaml
from evalharness.config.schema import Sweep, SweepFile
from evalharness.errors import ConfigError


def find_run(
    run: str, store: Path | None, amend: Callable[[SweepFile], SweepFile] = lambda top: top
) -> tuple[Sweep, Path]:
    """The sweep as it was run, and where its store is; ``store`` overrules the usual place beside the report;
    ``amend`` may change what the file said.

    Raises:
        ConfigError: ``run`` is neither a report nor a sweep file.
    """
    folder = Path(run)
    if folder.is_dir():
        return _of_report(folder / "results.json", amend), store or folder.parent / "store"
    return schema.load(run, amend), store or Path("reports") / "store"


def _of_report(path: Path, amend: Callable[[SweepFile], SweepFile]) -> Sweep:
    try:
        sweep = json.loads(path.read_bytes())["info"]["sweep"]
    except OSError as error:
        raise ConfigError(f"{path.parent} is not a report: {path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path} does not name its sweep: {error!r}") from None
    return schema.parse(yaml.Document(path, sweep), amend)
