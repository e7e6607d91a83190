"""Finds a run again: by its sweep file, or by the folder of its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from evalharness.config import literature, schema, yaml
from evalharness.config.schema import Sweep, SweepFile
from evalharness.errors import ConfigError
from evalharness.plan.plan import make_plan
from evalharness.run.imported import imported_images
from evalharness.store.results import Results
from evalharness.store.store import Store


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


@contextmanager
def stored_results(run: str, store: Path | None, quoted: Sequence[str] = ()) -> Iterator[Results]:
    from evalharness.store.load import load_results

    sweep, where = find_run(run, store)
    sweep = replace(sweep, literature=tuple(dict.fromkeys([*sweep.literature, *map(literature.given, quoted)])))
    plan = make_plan(sweep)
    if not (where / "store.sqlite").is_file():
        raise ConfigError(f"{run}: there is no store at {where}; run the sweep first, or say where with --store")
    with Store(where, write=False) as opened:
        found = imported_images(plan, opened)
        info = opened.run_info(plan.key()) | found | {"warnings": found.get("warnings", [])}
        results = load_results(plan, opened, info)
        if not results.samples["state"].isin(["scored", "generated", "failed"]).any():
            raise ConfigError(f"{run}: the store at {where} has nothing of this run; run the sweep first")
        yield results
