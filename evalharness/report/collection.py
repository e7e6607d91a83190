"""The page that leads to several reports: the question, claims and headline numbers of each.

It is made from the ``results.json`` of the reports in the folder, so that it cannot contradict them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness._util.finite_json import finite_json
from evalharness._util.regular_files import read_regular
from evalharness._util.validation import converted
from evalharness.analysis.stats import Estimate
from evalharness.errors import EvalHarnessError
from evalharness.report.cells import Cell, PageTable, Row, arm_score_text, coverage_cell, mean_cell, overall_score
from evalharness.report.formatting import (
    duration,
    points_interval,
    points_text,
    short_digest,
)
from evalharness.report.publish import INDEX
from evalharness.report.templating import copy_assets, environment


def write_collection(folder: Path, title: str, order: Sequence[str] = ()) -> Path:
    """Write ``index.html`` for the reports in ``folder``.

    Args:
        folder: holds a folder for each report.
        title: the heading of the page.
        order: names of the first reports; the rest follows by name.

    Raises:
        EvalHarnessError: there is no report, or one cannot be read.
    """
    paths = {path.parent.name: path for path in sorted(folder.glob("*/results.json"))}
    names = [name for name in dict.fromkeys([*order, *paths]) if name in paths]
    if not names:
        raise EvalHarnessError(f"{folder} holds no report to lead to")
    reports = [_checked_report(name, paths[name]) for name in names]
    copy_assets(folder, "report.css")
    text = environment().get_template("collection.html.j2").render(title=title, reports=reports)
    (folder / INDEX).write_text(text, encoding="utf-8")
    return folder / INDEX


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = finite_json(read_regular(path))
    except (OSError, ValueError) as error:
        raise EvalHarnessError(f"{path} cannot be read: {error}; make its report again") from None
    return data


def _checked_report(name: str, path: Path) -> dict[str, Any]:
    """What the page says of a report, whose file may be of another program or version.

    Raises:
        EvalHarnessError: it is no report of this version.
    """
    data = _read(path)
    try:
        return _report(name, data)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise EvalHarnessError(
            f"{path} is no report of this version ({error!r}); make its report again, or move it away"
        ) from None


def _report(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    info = data["info"]
    benchmarks = [
        {
            "title": str(info["benchmarks"][benchmark].get("title", benchmark)),
            "claims": _sentences((data.get("headline") or {}).get(benchmark)),
            "table": _headline_table(rows),
        }
        for benchmark, rows in data["summary"].items()
    ]
    return {
        "name": name,
        "description": str(info.get("description") or ""),
        "facts": _facts(info, data["cost"].get("model_seconds")),
        "warnings": converted(list[str], info.get("warnings") or []),
        "benchmarks": benchmarks,
    }


def _sentences(headline: Any) -> list[str]:
    """The claims about a benchmark; reports of earlier versions have the first alone."""
    return [headline] if isinstance(headline, str) else converted(list[str], headline or [])


def _facts(info: Mapping[str, Any], seconds: float | None) -> list[tuple[str, str]]:
    facts = [
        (name, f"{benchmark['items']:,} prompts × {benchmark['samples']}")
        for name, benchmark in info["benchmarks"].items()
    ]
    facts.append(("Started", str(info.get("started") or "")[:10]))
    facts.append(("Model time", duration(seconds or None)))
    facts.append(("Code", short_digest(info.get("git_commit"))))
    return [(label, text) for label, text in facts if text]


def _headline_table(summary: Sequence[Mapping[str, Any]]) -> PageTable:
    """A table with a row for each arm; differences are bold if they are bold on the report's own page."""
    rows = []
    for values in summary:
        row: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        cells = [Cell(row["arm"]), Cell(arm_score_text(overall_score(row)), row["overall"]), _difference_cell(row)]
        cells += [coverage_cell(row), mean_cell(row["evaluations"])]
        rows.append(Row(cells, bool(row["baseline"])))
    return PageTable("Scores", "", ["Arm", "Overall", "Difference, points", "Scored", "Sampler steps"], rows)


def _difference_cell(row: Mapping[str, Any]) -> Cell:
    if row["baseline"]:
        return Cell("baseline")
    difference = Estimate(row["difference"], row["difference_low"], row["difference_high"])
    interval = points_interval(difference.low, difference.high)
    mark = "strong" if row.get("told_apart") else ""
    return Cell(points_text(difference.value), difference.value, interval, mark=mark)
