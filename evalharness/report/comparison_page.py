"""Writes the page that compares runs: scores, paired differences, what differs, and pictures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evalharness._util.text import counted
from evalharness.analysis import Analysis, category_weights
from evalharness.analysis.comparison import Comparison
from evalharness.analysis.letters import letter
from evalharness.report.comparison_tables import comparison_claims, contrasts_table, differences_table, scores_table
from evalharness.report.environments import table_warnings
from evalharness.report.formatting import slug
from evalharness.report.gallery import GalleryContent, write_gallery
from evalharness.report.grid_page import PAGE as GRID
from evalharness.report.grid_page import write_grid
from evalharness.report.joined_runs import joined_runs, leading_pairs, ordered_arms
from evalharness.report.overview import model_names
from evalharness.report.picture_strip import picture_strip
from evalharness.report.publish import INDEX
from evalharness.report.report_images import ReportImages
from evalharness.report.run_differences import run_differences
from evalharness.report.summary import benchmark_title
from evalharness.report.templating import copy_assets, environment, script_of
from evalharness.store.results import Results

SCRIPTS = ("core.js", "tables.js")
MEGABYTES = 50.0
"""Default limit on the pictures, so that a comparison does not become another copy of both stores."""


def write_comparison(
    runs: Sequence[Results], comparison: Comparison, folder: Path, previous: Path, *, megabytes: float = MEGABYTES
) -> None:
    """Write the page and its pictures.

    Args:
        runs: the runs, in the order of ``comparison``.
        comparison: what was compared.
        folder: where the page is written; it exists.
        previous: the folder of an earlier page, whose pictures are used again.
        megabytes: limit on the pictures and details; beyond it they are chosen by rule.

    Raises:
        EvalHarnessError: there is no room for a single prompt.
    """
    name = " and ".join(dict.fromkeys(str(run.info["name"]) for run in runs))
    joined = joined_runs(runs, comparison, name)
    copy_assets(folder, "report.css")
    gallery, strips = None, {}
    if len(joined.samples):
        with ReportImages(joined, folder, previous, small=True) as images:
            gallery = _write_pictures(joined, comparison, images, folder, megabytes)
            for benchmark in joined.samples["benchmark"].unique():
                leading = leading_pairs(runs, comparison)
                pairs = [pair.labels for pair in leading if pair.benchmark == benchmark]
                leads = [arm for pair in pairs for arm in pair]
                strips[benchmark] = picture_strip(joined, benchmark, leads, gallery, images, pairs, page=GRID)
        write_grid(name, folder, parent="The comparison")
    page = _render(runs, comparison, joined, gallery, strips)
    (folder / INDEX).write_text(page, encoding="utf-8", errors="replace")


def _write_pictures(
    joined: Results, comparison: Comparison, images: ReportImages, folder: Path, megabytes: float
) -> GalleryContent:
    partners: dict[str, str] = {}
    for pair in comparison.compared:
        before, after = pair.labels
        partners.setdefault(before, after)
        partners.setdefault(after, before)
    analyses = [_analysis(joined, comparison, name) for name in joined.samples["benchmark"].unique()]
    return write_gallery(
        joined, analyses, comparison.compared[0].labels[1], images, folder, megabytes=megabytes, partners=partners
    )


def _analysis(joined: Results, comparison: Comparison, benchmark: str) -> Analysis:
    """What the choice of pictures needs: the categories and the contrasts whose flips are to be seen."""
    tests = [pair.contrast for pair in comparison.compared if pair.benchmark == benchmark]
    contrasts = tuple(test for test in tests if test is not None)
    weights = category_weights(joined, benchmark)
    return Analysis(benchmark, None, weights, {}, {}, contrasts, (), (), ())


def _render(
    runs: Sequence[Results],
    comparison: Comparison,
    joined: Results,
    gallery: GalleryContent | None,
    strips: dict[str, Any],
) -> str:
    titles = {name: benchmark_title(joined, name) for name in joined.info["benchmarks"]}
    differences = run_differences(runs)
    sections = [
        {
            "benchmark": name,
            "slug": slug(name),
            "title": title,
            "table": contrasts_table(comparison, name, differences),
            "strip": strips.get(name),
        }
        for name, title in titles.items()
        if any(pair.benchmark == name for pair in comparison.compared)
    ]
    script = script_of(SCRIPTS)
    arms = len(ordered_arms(comparison))
    lede = f"{counted(len(runs), 'run')}, {counted(arms, 'arm')}, {counted(len(titles), 'benchmark')}."
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            name=joined.info["name"],
            lede=f"{lede} Differences are those of the other runs to run A.",
            runs=[_run_facts(number, run) for number, run in enumerate(runs)],
            claims=comparison_claims(runs, comparison, differences, titles),
            scores=scores_table(runs, comparison, differences, titles),
            warnings=[*comparison.notes, *_environment_warnings(joined, titles)],
            sections=sections,
            differences=differences_table(runs, differences, titles),
            gallery=gallery,
            script=script.text,
            script_digest=script.digest,
        )
    )


def _run_facts(number: int, run: Results) -> dict[str, str]:
    info = run.info
    facts = [str(info.get("started") or "").replace("T", " ")[:16], f"seed {info.get('seed')}"]
    facts.append(model_names(run, run.arms["model"].unique()))
    return {"letter": letter(number), "name": str(info["name"]), "facts": ", ".join(filter(None, facts))}


def _environment_warnings(joined: Results, titles: dict[str, str]) -> Iterator[str]:
    """Each warning once, with the benchmarks that it is of."""
    by_line: dict[str, list[str]] = {}
    for name, title in titles.items():
        for line in table_warnings(joined.info, name):
            by_line.setdefault(line, []).append(title)
    for line, concerned in by_line.items():
        yield f"{', '.join(concerned)}: {line}"
