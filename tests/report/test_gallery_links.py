"""Links to images lead to some; a number without one says so, with the command that shows its images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import sample_results

from evalharness.report import page_tables
from evalharness.report.cells import Cell, PageTable, Row, gallery_link
from evalharness.report.gallery import GalleryContent
from evalharness.report.gallery_links import CHANGES, GalleryLinks
from evalharness.store.results import Results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return sample_results(tmp_path_factory.mktemp("images"), prompts=18, seeds=2)


def links(run: Results, prompts: int) -> GalleryLinks:
    shown = run.samples[run.samples["item"] < f"{prompts:05d}"]
    return GalleryLinks(run, GalleryContent(len(shown), len(run.samples), "", [], shown), "my report")


def test_a_change_is_counted_as_the_gallery_filters_it(run: Results) -> None:
    shown = run.samples[run.samples["item"] < "00009"]
    right = shown[shown["state"] == "scored"].pivot(index=["item", "seed_index"], columns="arm", values="score") == 1
    for arm, other in (("text-cot", "single-pass"), ("single-pass", "process max_iterations=4")):
        filters = {"benchmark": "geneval", "arm": arm, "vs": other}
        counts = {change: links(run, 9).count(filters | {"change": change}) for change in CHANGES}
        assert counts["fixed"] == (right[arm] & ~right[other]).sum()
        assert counts["broken"] == (~right[arm] & right[other]).sum()
        assert sum(counts.values()) == 18


def test_a_number_without_images_loses_its_link_and_says_so(run: Results) -> None:
    one = gallery_link("geneval", arm="text-cot", category="counting")  # items 2, 8 and 14
    gone = gallery_link("geneval", arm="text-cot", category="position")  # items 4, 10 and 16
    none = gallery_link("geneval", arm="text-cot", change="fixed", vs="text-cot")
    cells = [Cell("a"), Cell("50.0", 0.5, href=one), Cell("0", 0, href=none), Cell("70.0", 0.7, href=gone)]
    table = links(run, 3).checked(PageTable("t", "caption", list("abcd"), [Row(cells)]))
    assert [(cell.href, cell.elsewhere) for cell in table.rows[0].cells] == [
        ("", False),
        (one, False),
        ("", False),
        ("", True),
    ]
    assert table.command == "evalharness report 'my report' --out 'my report-all'"


def test_a_whole_gallery_needs_no_command(run: Results) -> None:
    table = page_tables.PageTable(
        "t",
        "c",
        ["a", "b"],
        [Row([Cell("a"), Cell("0", 0, href=gallery_link("geneval", arm="text-cot", change="fixed", vs="text-cot"))])],
    )
    checked = links(run, 18).checked(table)
    assert (checked.command, checked.rows[0].cells[1]) == ("", replace(table.rows[0].cells[1], href=""))
    assert links(run, 18).has("geneval", "00017", 1)
    assert not links(run, 3).has("geneval", "00017", 1)


def test_the_page_of_a_part_has_no_link_to_nothing(run: Results, tmp_path: Path) -> None:
    from page_outline import Outline

    from evalharness.report import build

    page = build(run, tmp_path / "part", gallery_mb=0.02)
    outline = Outline(page.read_text(encoding="utf-8"))
    text = " ".join(outline.text.split())
    assert "A part of the run" in text
    assert "evalharness report part --out part-all" in text
