"""Verdicts of people in a browser: kept, shown again, saved as lines that the command takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import View
from report_samples import INJECTION

from evalharness.report.grid_page import PAGE
from evalharness.store.annotations import read_annotations
from evalharness.store.results import Results

pytestmark = pytest.mark.slow
SAMPLE = "#arm=*&sample=geneval%2F00007%2F0%2Fsingle-pass"


def test_a_verdict_and_a_note_are_kept_and_saved(browser: Any, report: Path, results: Results, tmp_path: Path) -> None:
    view = View(browser, report)
    page = view.open(SAMPLE)
    page.wait_for_selector("dialog[open] .annotation")
    assert page.locator("#export").is_hidden()
    page.check(".annotation [value=disagree]")
    page.fill(".annotation input[type=text]", INJECTION)
    page.keyboard.press("Tab")
    page.reload()
    page.wait_for_selector("dialog[open] .annotation")
    assert page.is_checked(".annotation [value=disagree]")
    assert page.input_value(".annotation input[type=text]") == INJECTION
    view.leave_dialog()
    assert "1 verdict of yours" in page.text_content("#export")
    with page.expect_download() as download:
        page.click("#export button")
    download.value.save_as(tmp_path / "saved.jsonl")
    (found,) = read_annotations(tmp_path / "saved.jsonl")
    samples = results.samples.set_index(["benchmark", "item", "seed_index", "arm"])
    sample: Any = samples.loc[("geneval", "00007", 0, "single-pass")]
    assert (found.benchmark, found.item, found.image) == ("geneval", "00007", sample["image"])
    assert (found.verdict, found.score, found.note) == ("disagree", sample["score"], INJECTION)
    # The page of prompts and arms has the same.
    page.goto((report / PAGE).as_uri() + "#row=7%2F0&left=single-pass&right=text-cot")
    page.wait_for_selector("dialog[open] .annotation")
    assert page.locator(".annotation").count() == 2
    assert page.locator(".annotation").first.locator("[value=disagree]").is_checked()
    page.locator(".annotation").nth(1).locator("[value=agree]").check()
    view.leave_dialog()
    view.until("document.querySelector('#export').textContent.includes('2 verdicts')")
    view.close()
    assert view.complaints == []
    assert all(url.startswith(("file:///", "blob:")) for url in view.requests)
