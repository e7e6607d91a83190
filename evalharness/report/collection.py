"""The page that leads to several reports: of each what it asks, what it claims, its headline numbers.

It is made from the ``results.json`` of the reports that stand in the folder, so that it says nothing that they do not.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.errors import EvalHarnessError
from evalharness.report.grids import Cell, Grid, Row
from evalharness.report.page import TEMPLATES, environment
from evalharness.report.provenance import duration
from evalharness.report.publish import INDEX
from evalharness.report.tables import number_text, overall_text, points_text, short_digest

P_LEVEL = 0.05


def write_collection(folder: Path, title: str, order: Sequence[str] = ()) -> Path:
    """Write ``index.html`` for the reports in ``folder``: first those of this order, then others by their names.

    Raises:
        EvalHarnessError: there is none.
    """
    there = {path.parent.name: path for path in sorted(folder.glob("*/results.json"))}
    names = [name for name in dict.fromkeys([*order, *there]) if name in there]
    if not names:
        raise EvalHarnessError(f"{folder} holds no report to lead to")
    reports = [_report(name, _read(there[name])) for name in names]
    (folder / "assets").mkdir(exist_ok=True)
    shutil.copyfile(TEMPLATES / "report.css", folder / "assets" / "report.css")
    text = environment().get_template("collection.html.j2").render(title=title, reports=reports)
    (folder / INDEX).write_text(text, encoding="utf-8")
    return folder / INDEX


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EvalHarnessError(f"{path} cannot be read: {error}; make its report again") from None
    return found


def _report(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    info = data["info"]
    return {
        "name": name,
        "description": info.get("description") or "",
        "facts": _facts(info, data["cost"].get("model_seconds")),
        "warnings": info.get("warnings") or [],
        "benchmarks": [
            {
                "title": info["benchmarks"][benchmark].get("title", benchmark),
                "claim": (data.get("headline") or {}).get(benchmark, ""),
                "grid": _grid(rows),
            }
            for benchmark, rows in data["summary"].items()
        ],
    }


def _facts(info: Mapping[str, Any], seconds: float | None) -> list[tuple[str, str]]:
    parts = [(name, f"{about['items']:,} prompts × {about['samples']}") for name, about in info["benchmarks"].items()]
    parts += [("Started", str(info.get("started") or "")[:10]), ("Model time", duration(seconds or None))]
    return [(label, text) for label, text in [*parts, ("Code", short_digest(info.get("git_commit")))] if text]


def _grid(rows: Sequence[Mapping[str, Any]]) -> Grid:
    """An arm a row; differences are bold as on the reports' own pages."""
    found = []
    for values in rows:
        row: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        difference = points_text(row["difference"], row["difference_low"], row["difference_high"])
        told = (row["difference_low"] > 0 or row["difference_high"] < 0) and not row["p_adjusted"] > P_LEVEL
        text, _, interval = (part.strip() for part in difference.partition(" "))
        found.append(
            Row(
                [
                    Cell(row["arm"]),
                    Cell(overall_text(row), row["overall"]),
                    Cell("baseline")
                    if row["baseline"]
                    else Cell(text, row["difference"], interval, mark="strong" * told),
                    Cell(row["coverage"], row["scored"], mark="incomplete" * (row["scored"] < row["expected"])),
                    Cell(number_text(row["evaluations"]), row["evaluations"]),
                ],
                bool(row["baseline"]),
            )
        )
    return Grid("Scores", "", ["Arm", "Overall", "Difference, points", "Scored", "Sampler steps"], found)
