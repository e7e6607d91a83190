"""Writes the folder of a report: index.html, which opens without a server, its tables, figures, images and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalharness.analysis import category_weights
from evalharness.analysis.examples.loop import ArmLoop, loops
from evalharness.analysis.examples.search import known_scores
from evalharness.planning.plan_record import plan_text
from evalharness.report import page_tables, replicates
from evalharness.report.arm_settings import arm_settings
from evalharness.report.claims import claims, lead_arm, lead_arms
from evalharness.report.diversity_table import diversity_table
from evalharness.report.environments import code_warnings
from evalharness.report.figures import FigureFile, draw_figures
from evalharness.report.formatting import slug
from evalharness.report.gallery import GalleryContent, write_gallery
from evalharness.report.gallery_links import GalleryLinks
from evalharness.report.grid_page import write_grid
from evalharness.report.judge_section import judging
from evalharness.report.loop_table import loop_table
from evalharness.report.overview import benchmark_facts, lede, run_facts, warnings
from evalharness.report.part_costs import part_costs
from evalharness.report.people import people
from evalharness.report.picture_strip import picture_strip
from evalharness.report.provenance import provenance
from evalharness.report.publish import INDEX, staged
from evalharness.report.report_images import ReportImages
from evalharness.report.results_json import write_results
from evalharness.report.sample_files import write_sample_files
from evalharness.report.summary import Summary, summarize
from evalharness.report.table_files import write_tables
from evalharness.report.templating import copy_assets, environment, script_of
from evalharness.report.trajectories_page import ArmExamples, write_examples
from evalharness.store.report_folders import PLAN
from evalharness.store.results import Results

SCRIPTS = ("core.js", "boxes.js", "annotations.js", "tables.js", "trajectory.js", "gallery.js")


class WrittenPage(NamedTuple):
    """A report: its ``index.html``, and what its gallery shows."""

    path: Path
    gallery: GalleryContent


def write_page(results: Results, out: Path, *, gallery_mb: float | None = None) -> WrittenPage:
    """Write the report of a run.

    Args:
        results: the run's results.
        out: the folder of the report.
        gallery_mb: write a small report, without the files that have a row for every sample and without tables in
            Parquet. If images and trajectories take more megabytes than this, the gallery shows a part of them.
    """
    small = gallery_mb is not None
    with staged(out) as folder, ReportImages(results, folder, out, small=small) as images:
        summaries = summarize(results)
        write_tables(summaries, folder / "tables", parquet=not small)
        sample_files = {} if small else write_sample_files(results, folder)
        leads = {summary.benchmark: lead_arms(results, summary) for summary in summaries}
        arm_loops = list(loops(results, known_scores(results)))
        figures = draw_figures(results.arms, summaries, leads, arm_loops, folder / "figures", small=small)
        analyses = [summary.analysis for summary in summaries]
        gallery = write_gallery(results, analyses, lead_arm(results), images, folder, megabytes=gallery_mb)
        links = GalleryLinks(results, gallery, out.name)
        sections = [_section(results, summary, figures, links, arm_loops) for summary in summaries]
        for section in sections:
            section["strip"] = picture_strip(
                results, section["benchmark"], leads[section["benchmark"]], gallery, images
            )
        examples = write_examples(results, images, folder, links.has)
        copy_assets(folder, "report.css")
        write_grid(results.info["name"], folder)
        write_results(
            results,
            summaries,
            folder,
            claims={section["benchmark"]: section["claims"] for section in sections},
            judging={section["benchmark"]: section["judging"].as_dict() for section in sections if section["judging"]},
            indent=not small,
        )
        if results.plan is not None:
            (folder / PLAN).write_text(plan_text(results.plan, results.info["sweep"]), encoding="utf-8")
        page = _render(results, sections, examples, gallery, sample_files)
        (folder / INDEX).write_text(page, encoding="utf-8")
    return WrittenPage(out / INDEX, gallery)


def _section(
    results: Results,
    summary: Summary,
    figures: Sequence[FigureFile],
    links: GalleryLinks,
    arm_loops: Sequence[ArmLoop],
) -> dict[str, Any]:
    """The data of a benchmark's section in the template."""
    said = people(results, summary)
    tables = [
        page_tables.by_category(summary, list(category_weights(results, summary.benchmark))),
        replicates.noise_table(summary),
        replicates.contrasts_table(summary),
        page_tables.comparisons(summary),
        loop_table(arm_loops, summary.benchmark),
        said.table if said else None,
        diversity_table(summary),
        page_tables.sensitivity(summary),
        page_tables.best_of(summary),
        page_tables.coverage(summary),
        page_tables.by_aspect(summary),
        page_tables.costs_by_part(part_costs(results, summary.benchmark)),
    ]
    return {
        "benchmark": summary.benchmark,
        "title": summary.title,
        "slug": slug(summary.benchmark),
        "lede": lede(results, summary),
        "claims": claims(results, summary),
        "facts": benchmark_facts(results, summary),
        "warnings": warnings(results, summary),
        "headline": links.checked(page_tables.headline(summary, arm_settings(results.arms))),
        "tables": [links.checked(table) for table in tables if table is not None],
        "people": said.sentence if said else "",
        "judging": judging(results, summary),
        "figures": [figure for figure in figures if figure.benchmark == summary.benchmark],
    }


def _render(
    results: Results,
    sections: Sequence[dict[str, Any]],
    examples: Sequence[ArmExamples],
    gallery: GalleryContent,
    sample_files: Mapping[str, str],
) -> str:
    script = script_of(SCRIPTS)
    run_warnings = [
        *results.info.get("warnings", []),
        *code_warnings(results.info),
        *results.image_warnings,
        *gallery.warnings,
    ]
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            name=results.info["name"],
            description=results.info.get("description") or "",
            sections=sections,
            examples=examples,
            run_facts=run_facts(results),
            warnings=run_warnings,
            gallery=gallery,
            sample_files=sample_files,
            provenance=provenance(results),
            script=script.text,
            script_digest=script.digest,
        )
    )
