"""One folder that opens from a file: index.html, its tables, figures, images and data."""

from __future__ import annotations

import base64
import hashlib
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.report import grids, recipes
from evalharness.report.examples import Part, write_examples
from evalharness.report.figures import Drawing, draw_figures
from evalharness.report.gallery import Shown, write_gallery
from evalharness.report.judging import judging
from evalharness.report.numbers import write_results, write_samples
from evalharness.report.provenance import provenance
from evalharness.report.publish import INDEX, staged
from evalharness.report.story import Sentence, claims, facts, lead_arm, lead_arms, lede, run_facts, warnings
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
from evalharness.store.results import Results

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("core.js", "tables.js", "trajectory.js", "gallery.js")


def write_page(results: Results, out: Path, *, gallery_mb: float | None = None) -> Path:
    """Write the report of a run to the folder ``out``; returns its index.html.

    ``gallery_mb``: of more images and trajectories than that a part is shown, and records of samples are compact.
    """
    with staged(out) as folder:
        tables = build_tables(results)
        write_tables(tables, folder / "tables")
        write_samples(results, folder / "tables")
        leads = {table.benchmark: lead_arms(results, table) for table in tables}
        drawings = draw_figures(results.arms, tables, leads, folder / "figures")
        analyses = [table.analysis for table in tables]
        shown = write_gallery(results, analyses, lead_arm(results), folder, out, megabytes=gallery_mb)
        sections = [_section(results, table, drawings) for table in tables]
        examples = write_examples(results, folder, out)
        (folder / "assets").mkdir(exist_ok=True)
        shutil.copyfile(TEMPLATES / "report.css", folder / "assets" / "report.css")
        _write_json(results, tables, sections, folder / "results.json", samples=gallery_mb is None)
        (folder / INDEX).write_text(_render(results, sections, examples, shown), encoding="utf-8")
    return out / INDEX


def environment() -> Environment:
    """The templates, with what they need of numbers in words."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters["words"] = lambda name: str(name).replace("_", " ")
    found.filters["lower_first"] = lambda text: text[:1].lower() + text[1:]
    found.filters["estimate"] = lambda one: _pair(one.value, one.low, one.high)
    found.filters["percent"] = lambda one: _pair(one.value, one.low, one.high, 100)
    found.filters["score"] = score_text
    found.filters["points"] = lambda value: MISSING if math.isnan(value) else number_text(100 * value)
    return found


def _render(results: Results, sections: list[dict[str, Any]], examples: list[Part], shown: Shown) -> str:
    from markupsafe import Markup

    info, script = results.info, _script()
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            name=info["name"],
            description=info.get("description") or "",
            sections=sections,
            examples=examples,
            run_facts=run_facts(results),
            warnings=[
                *info.get("warnings", []),
                *(line for section in sections for line in section["warnings"]),
                *shown.warnings,
            ],
            shown=shown,
            provenance=provenance(results),
            script=Markup(script),
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
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


def _write_json(
    results: Results, tables: list[Table], sections: list[dict[str, Any]], path: Path, samples: bool
) -> None:
    """The numbers of the page, for programs."""
    found: dict[str, list[Sentence]] = {section["benchmark"]: section["claims"] for section in sections}
    judged = {section["benchmark"]: section["judging"].as_dict() for section in sections if section["judging"]}
    write_results(results, tables, path.parent, claims=found, judging=judged, samples=samples)
