"""One folder that opens from a file: index.html, its tables, figures, images and data."""

from __future__ import annotations

import base64
import hashlib
import math
import shutil
from pathlib import Path
from typing import Any

from evalharness.report import grids, recipes
from evalharness.report.examples import Part, write_examples
from evalharness.report.figures import Drawing, draw_figures
from evalharness.report.gallery import write_gallery
from evalharness.report.judging import judging
from evalharness.report.numbers import write_results
from evalharness.report.provenance import provenance
from evalharness.report.publish import INDEX, staged
from evalharness.report.story import Claim, claims, facts, lead_arm, lead_arms, lede, run_facts, warnings
from evalharness.report.tables import (
    MISSING,
    Table,
    build_tables,
    category_weights,
    number_text,
    score_text,
    slug,
    write_tables,
)
from evalharness.results import Results

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("core.js", "tables.js", "trajectory.js", "gallery.js")


def write_page(results: Results, out: Path) -> Path:
    """Write the report of a run to the folder ``out``; returns its index.html."""
    with staged(out) as folder:
        tables = build_tables(results)
        write_tables(tables, folder / "tables")
        leads = {table.benchmark: lead_arms(results, table) for table in tables}
        drawings = draw_figures(results.arms, tables, leads, folder / "figures")
        missing = write_gallery(results, lead_arm(results), folder, out)
        sections = [_section(results, table, drawings) for table in tables]
        examples = write_examples(results, folder, out)
        (folder / "assets").mkdir(exist_ok=True)
        shutil.copyfile(TEMPLATES / "report.css", folder / "assets" / "report.css")
        _write_json(results, tables, sections, folder / "results.json")
        (folder / INDEX).write_text(_render(results, sections, examples, missing), encoding="utf-8")
    return out / INDEX


def _render(results: Results, sections: list[dict[str, Any]], examples: list[Part], missing: list[str]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    environment.filters["lower_first"] = lambda text: text[:1].lower() + text[1:]
    environment.filters["estimate"] = lambda one: _pair(one.value, one.low, one.high)
    environment.filters["percent"] = lambda one: _pair(one.value, one.low, one.high, 100)
    environment.filters["score"] = score_text
    environment.filters["points"] = lambda value: MISSING if math.isnan(value) else number_text(100 * value)
    info, script = results.info, _script()
    return environment.get_template("index.html.j2").render(
        name=info["name"],
        description=info.get("description") or "",
        sections=sections,
        examples=examples,
        run_facts=run_facts(results),
        warnings=[*info.get("warnings", []), *(line for section in sections for line in section["warnings"]), *missing],
        samples=len(results.samples),
        provenance=provenance(results),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _script() -> str:
    """The page's one script. It stands in the page, whose policy allows it by its digest and no other."""
    return "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)


def _section(results: Results, table: Table, drawings: list[Drawing]) -> dict[str, Any]:
    """What the template shows of one benchmark."""
    categories = list(category_weights(results, table.benchmark))
    more = [
        grids.by_category(table, categories),
        recipes.spread(table),
        recipes.comparisons(table),
        grids.comparisons(table),
        grids.sensitivity(table),
        grids.best_of(table),
        grids.coverage(table),
    ]
    return {
        "benchmark": table.benchmark,
        "title": table.title,
        "slug": slug(table.benchmark),
        "lede": lede(results, table),
        "claims": claims(results, table),
        "facts": facts(results, table),
        "warnings": warnings(results, table),
        "headline": grids.headline(table),
        "grids": [grid for grid in more if grid is not None],
        "judging": judging(results, table),
        "drawings": [drawing for drawing in drawings if drawing.benchmark == table.benchmark],
    }


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
