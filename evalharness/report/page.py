"""One folder that opens from a file: index.html, its tables, figures, images and data."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

from evalharness.report.arms import records
from evalharness.report.figures import Drawing, draw_figures
from evalharness.report.gallery import plain, write_gallery
from evalharness.report.judging import judging
from evalharness.report.numbers import write_results
from evalharness.report.publish import INDEX, staged
from evalharness.report.story import Claim, claims, facts, lead_arm, run_facts, warnings
from evalharness.report.tables import (
    MISSING,
    Table,
    build_tables,
    category_weights,
    lacking_text,
    mean_text,
    number_text,
    points_text,
    score_text,
    slug,
    write_tables,
)
from evalharness.results import Results

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = ("report.css", "core.js", "trajectory.js", "gallery.js")


def write_page(results: Results, out: Path) -> Path:
    """Write the report of a run to the folder ``out``; returns its index.html."""
    with staged(out) as folder:
        tables = build_tables(results)
        write_tables(tables, folder / "tables")
        drawings = draw_figures(results.arms, tables, folder / "figures")
        missing = write_gallery(results, lead_arm(results), folder)
        sections = [_section(results, table, drawings) for table in tables]
        (folder / "assets").mkdir()
        for name in ASSETS:
            shutil.copyfile(TEMPLATES / name, folder / "assets" / name)
        _write_json(results, tables, sections, folder / "results.json")
        (folder / INDEX).write_text(_render(results, sections, missing), encoding="utf-8")
    return out / INDEX


def _render(results: Results, sections: list[dict[str, Any]], missing: list[str]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    environment.filters["estimate"] = lambda one: _pair(one.value, one.low, one.high)
    environment.filters["percent"] = lambda one: _pair(one.value, one.low, one.high, 100)
    environment.filters["score"] = score_text
    environment.filters["points"] = lambda value: MISSING if math.isnan(value) else number_text(100 * value)
    info = results.info
    return environment.get_template("index.html.j2").render(
        name=info["name"],
        sections=sections,
        run_facts=run_facts(results),
        warnings=[*info.get("warnings", []), *(line for section in sections for line in section["warnings"]), *missing],
        samples=len(results.samples),
        provenance={name: _pretty(info[name]) for name in _PROVENANCE if info.get(name) is not None},
    )


_PROVENANCE = ("sweep", "benchmarks", "models", "images", "versions", "hardware", "git_commit")


def _section(results: Results, table: Table, drawings: list[Drawing]) -> dict[str, Any]:
    """What the template shows of one benchmark."""
    categories = list(category_weights(results, table.benchmark))
    found = claims(results, table)
    return {
        "benchmark": table.benchmark,
        "title": table.title,
        "slug": slug(table.benchmark),
        "claims": found,
        "facts": facts(results, table),
        "warnings": warnings(results, table),
        "categories": categories,
        "rows": [_cells(row, categories) for row in records(table.wide)],
        "about": records(table.wide)[0],
        "judging": judging(results, table),
        "drawings": [drawing for drawing in drawings if drawing.benchmark == table.benchmark],
    }


def _cells(row: dict[str, Any], categories: list[str]) -> dict[str, Any]:
    """An arm's row of the two tables; a number is a pair: the value and its interval below."""
    complete = not math.isnan(row["overall"])
    bounds = {"value": f"{row['bound_low']:.2f} to {row['bound_high']:.2f}", "interval": "incomplete"}
    low, high = row["difference_low"], row["difference_high"]
    return {
        "arm": row["arm"],
        "baseline": bool(row["baseline"]),
        "complete": complete,
        "overall": _score_cell(row, "overall", "_") if complete else bounds,
        "difference": {
            "value": "baseline" if row["baseline"] else points_text(row["difference"]),
            "interval": "" if math.isnan(low) else f"[{number_text(100 * low)}, {number_text(100 * high)}]",
            "told_apart": bool(low > 0 or high < 0),
        },
        "categories": [
            _score_cell(row, f"category.{name}", ".") | {"lacking": lacking_text(row, name)} for name in categories
        ],
        "coverage": row["coverage"],
        "failed": row["failed"],
        "costs": [mean_text(row["evaluations"]), mean_text(row["tokens"]), mean_text(row["seconds"], 2)],
        "pairs": MISSING if row["baseline"] else str(row["pairs"]),
        "model": row["model"],
        "prompt_set": row["prompt_set"],
        "scorer": row["scorer"],
    }


def _score_cell(row: dict[str, Any], name: str, dot: str) -> dict[str, str]:
    value, low, high = row[name], row[f"{name}{dot}low"], row[f"{name}{dot}high"]
    interval = "" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]"
    return {"value": MISSING if math.isnan(value) else f"{value:.2f}", "interval": interval}


def _pair(value: float, low: float, high: float, scale: int = 1) -> str:
    """A number and its interval, as a share or in per cent."""
    if math.isnan(value):
        return MISSING
    ends = [number_text(end * scale) if scale > 1 else f"{end:.2f}".replace("-", "−") for end in (value, low, high)]
    return ends[0] + ("" if math.isnan(low) else f" [{ends[1]}, {ends[2]}]")


def _write_json(results: Results, tables: list[Table], sections: list[dict[str, Any]], path: Path) -> None:
    """The numbers of the page, for programs."""
    found: list[Claim] = [claim for section in sections for claim in section["claims"]]
    judged = {section["benchmark"]: section["judging"].as_dict() for section in sections if section["judging"]}
    write_results(results, tables, path.parent, claims=[str(claim) for claim in found], judging=judged)


def _pretty(value: Any) -> str:
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
