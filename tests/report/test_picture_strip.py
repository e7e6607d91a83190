"""The pictures on the first screen: chosen by rule, where arms differ, from what the report carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd
import pytest
from report_samples import INJECTION, sample_results

from evalharness.report.gallery import GalleryContent
from evalharness.report.picture_strip import ARMS, NONE_DIFFERS, ROWS, PictureStrip, picture_strip
from evalharness.report.report_images import ReportImages
from evalharness.store.results import Results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return sample_results(tmp_path_factory.mktemp("images"), prompts=24, seeds=2, missing=False)


def strip(run: Results, folder: Path, shown: pd.DataFrame, leads: list[str]) -> PictureStrip | None:
    content = GalleryContent(len(shown), len(run.samples), "", [], shown)
    with ReportImages(run, folder, folder / "none") as images:
        return picture_strip(run, "geneval", leads, content, images)


def test_arms_differ_on_every_row_and_every_picture_is_a_file(run: Results, tmp_path: Path) -> None:
    leads = ["text-cot", "process max_iterations=6"]
    shown = strip(run, tmp_path, run.samples, leads)
    assert shown is not None
    assert len(shown.arms) == ARMS and {"single-pass", *leads} <= set(shown.arms)
    assert len(shown.rows) == ROWS == len({row.prompt for row in shown.rows})
    for row in shown.rows:
        assert {picture.verdict.style for picture in row.pictures} == {"right", "wrong"}
        assert all((tmp_path / picture.source).is_file() for picture in row.pictures)


def test_each_picture_leads_to_its_sample(run: Results, tmp_path: Path) -> None:
    shown = strip(run, tmp_path, run.samples, [])
    assert shown is not None
    samples = run.samples.set_index(["benchmark", "item", "seed_index", "arm"])
    for row in shown.rows:
        for picture in row.pictures:
            benchmark, item, seed, arm = dict(parse_qsl(picture.href.removeprefix("#")))["sample"].split("/")
            sample: Any = samples.loc[(benchmark, item, int(seed), arm)]
            assert (sample["prompt"], arm) == (row.prompt, picture.arm)
            assert sample["image"] in picture.source
            assert picture.verdict.style == ("right" if sample["score"] == 1 else "wrong")


def test_only_what_the_gallery_shows_is_shown(run: Results, tmp_path: Path) -> None:
    some = run.samples[run.samples["item"] == "00007"]
    shown = strip(run, tmp_path, some, [])
    assert shown is not None
    assert {row.prompt for row in shown.rows} == {some["prompt"].iloc[0]}
    assert INJECTION in shown.rows[0].prompt
    assert strip(run, tmp_path, run.samples[:0], []) is None


def test_where_no_verdict_differs_it_says_so(run: Results, tmp_path: Path) -> None:
    alike = run.samples.assign(score=1.0)
    shown = strip(run, tmp_path, alike, [])
    assert shown is not None
    assert shown.rule == NONE_DIFFERS
    assert 0 < len(shown.rows) < ROWS
