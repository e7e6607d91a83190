"""A gallery of a part: chosen by the rule that the page states, within its size, while all numbers stay whole."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import sample_results

from evalharness.errors import EvalHarnessError
from evalharness.report import build, gallery, gallery_choice, page_tables
from evalharness.report.report_images import ReportImages
from evalharness.report.summary import summarize
from evalharness.store.results import Results

Table = list[list[bool]]


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=12)
    )
)
def test_the_next_case_serves_most_of_the_ends_that_were_served_least(table: Table) -> None:
    order = list(gallery_choice.ranked(np.array(table, dtype=bool)))
    assert sorted(order) == list(range(len(table)))
    served, remaining = [0] * len(table[0]), set(range(len(table)))
    for place in order:
        servable = [number for number in range(len(served)) if any(table[other][number] for other in remaining)]
        least = [number for number in servable if served[number] == min(served[other] for other in servable)]
        gains = {other: sum(table[other][number] for number in least) for other in remaining}
        assert place == min(other for other in remaining if gains[other] == max(gains.values()))
        remaining.remove(place)
        served = [count + table[place][number] for number, count in enumerate(served)]


def carried(results: Results, folder: Path, **limits: Any) -> tuple[gallery.GalleryContent, pd.DataFrame]:
    """What a gallery says of itself, and the samples in it."""
    analyses = [table.analysis for table in summarize(results)]
    with ReportImages(results, folder, folder / "none") as images:
        shown = gallery.write_gallery(results, analyses, None, images, folder, **limits)
    return shown, rows_of(folder)


def rows_of(folder: Path) -> pd.DataFrame:
    from page_outline import read_sheet

    data = read_sheet(folder / "data" / "samples.css")
    rows = pd.DataFrame(data["samples"], columns=data["fields"])
    items = pd.DataFrame([data["items"][place] for place in rows["item"]], columns=["benchmark", "id", "category", "p"])
    rows["arm"] = [data["arms"][place] for place in rows["arm"]]
    rows["state"] = [data["states"][place] for place in rows["state"]]
    return pd.concat([rows.drop(columns="item"), items.rename(columns={"id": "item"})], axis=1)


def test_every_number_that_leads_to_images_leads_to_one(results: Results, tmp_path: Path) -> None:
    shown, rows = carried(results, tmp_path, max_samples=400)
    assert shown.samples == len(rows) <= 400
    assert shown.of == len(results.samples) == 1152
    assert "no room" not in shown.rule
    links = [
        cell
        for table in summarize(results)
        for grid in (page_tables.headline(table, {}), page_tables.comparisons(table), page_tables.coverage(table))
        for row in (grid.rows if grid else [])
        for cell in row.cells
        if cell.href and cell.value
    ]
    assert len(links) > 40
    wide = rows.pivot(index=["benchmark", "item", "seed"], columns="arm", values="score")
    for cell in links:
        filters = dict(parse_qsl(cell.href.removeprefix("#")))
        scores = wide.xs(filters["benchmark"], level="benchmark")
        if change := filters.get("change"):
            pair = scores[[filters["arm"], filters.get("vs", "single-pass")]].dropna() == 1
            right, was = {"fixed": (1, 0), "broken": (0, 1), "both-right": (1, 1), "both-wrong": (0, 0)}[change]
            assert ((pair.iloc[:, 0] == right) & (pair.iloc[:, 1] == was)).any(), cell
        else:
            same = (rows["benchmark"] == filters["benchmark"]) & (rows["arm"] == filters["arm"])
            assert (rows.loc[same, "state"] == filters["outcome"]).any(), cell


def test_a_prompt_and_seed_comes_with_all_its_arms(results: Results, tmp_path: Path) -> None:
    _, rows = carried(results, tmp_path, max_samples=100)
    assert set(rows.groupby(["benchmark", "item", "seed"]).size()) == {8}


def test_a_small_part_is_inside_a_larger_one_and_the_same_again(results: Results, tmp_path: Path) -> None:
    keys = ["benchmark", "item", "seed", "arm"]
    parts = [
        {tuple(row) for row in carried(results, tmp_path / str(number), max_samples=most)[1][keys].to_numpy().tolist()}
        for number, most in enumerate((80, 400, 400))
    ]
    assert parts[0] < parts[1] == parts[2]


def test_all_is_shown_where_there_is_room(results: Results, tmp_path: Path) -> None:
    shown, rows = carried(results, tmp_path, megabytes=50.0)
    assert (shown.rule, len(rows)) == ("", len(results.samples))


def test_what_has_no_room_is_said(results: Results, tmp_path: Path) -> None:
    shown, _ = carried(results, tmp_path, max_samples=16)
    assert "There was no room for an image of " in shown.rule
    with pytest.raises(EvalHarnessError, match="no room for a single prompt"):
        carried(results, tmp_path / "none", megabytes=0.0001)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("part")
    results = sample_results(folder / "images", prompts=120, seeds=2)
    return results, build(results, folder / "report", gallery_mb=0.5).parent


def test_it_keeps_to_its_size(part: tuple[Results, Path]) -> None:
    size = sum(
        path.stat().st_size for name in ("images", "data") for path in (part[1] / name).iterdir() if path.is_file()
    )
    assert 0.3e6 < size < 0.5e6


def test_the_page_says_that_it_shows_a_part_and_how_it_was_chosen(part: tuple[Results, Path]) -> None:
    text = " ".join((part[1] / "index.html").read_text(encoding="utf-8").split())
    count = len(rows_of(part[1]))
    assert 0 < count < len(part[0].samples)
    assert f"A part of the run: {count:,} of its 1,920 samples." in text
    assert "All tables, figures and statements above cover all samples. Chosen by rule, not by eye" in text


def test_numbers_and_records_stay_whole(part: tuple[Results, Path], tmp_path: Path) -> None:
    results, folder = part
    full = build(results, tmp_path / "full").parent
    expected, numbers = (json.loads((report / "results.json").read_bytes()) for report in (full, folder))
    assert numbers == expected
    names = {path.name for path in (full / "tables").iterdir() if path.suffix != ".parquet"}
    assert {path.name for path in (folder / "tables").iterdir()} == names
    for name in names:
        assert (folder / "tables" / name).read_bytes() == (full / "tables" / name).read_bytes()
    (lines,) = (full / "samples").iterdir()
    frame = pd.read_json(lines, lines=True)
    assert len(frame) == len(results.samples)
    assert frame["score"].sum() == results.samples["score"].sum()
    assert list(frame["image"].dropna()) == list(results.samples["image"].dropna())


def test_a_part_has_no_files_of_all_samples_and_no_twins(part: tuple[Results, Path]) -> None:
    _, folder = part
    assert not (folder / "samples").exists()
    assert not list(folder.rglob("*.parquet")) and not list(folder.rglob("*.png"))
    assert "JSON lines" not in (folder / "index.html").read_text(encoding="utf-8")


def test_examples() -> None:
    assert doctest.testmod(gallery_choice).failed == 0
