"""The page as a browser shows it: opened from the disk, sorted, filtered, stepped through, with hostile text in it."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from browser import View, require_axe
from report_samples import INJECTION

from evalharness.report import build
from evalharness.report.summary import summarize
from evalharness.store.results import Results

pytestmark = pytest.mark.slow
REFERENCE = Path(__file__).parents[2] / "reports" / "reference" / "iters"
HOSTILE = "#arm=*&q=onerror"
OPEN = "#arm=*&sample=geneval%2F00007%2F0%2Fprocess+max_iterations%3D4"


def choose(page: Any, **filters: str) -> None:
    for name, value in filters.items():
        page.select_option(f"select[name={name}]", value)


def count(page: Any) -> int:
    return int(page.text_content("#count").split()[0])


def column(page: Any, number: int) -> list[str]:
    rows = page.locator(f".compact tbody tr > :nth-child({number})").all()
    return [row.get_attribute("data-value") or row.text_content().strip() for row in rows[:8]]


@pytest.mark.parametrize("folder", [None, REFERENCE], ids=["fake", "reference"])
def test_it_opens_without_a_complaint_and_without_a_network(browser: Any, report: Path, folder: Path | None) -> None:
    if folder and not folder.exists():
        pytest.skip("there is no reports/reference")
    view = View(browser, folder or report)
    page = view.open()
    assert page.locator("#cards li").count() > 0
    view.until("document.querySelector('.figures img').naturalWidth > 0")
    last = page.locator("#cards img").last
    assert last.get_attribute("loading") == "lazy"
    # The reference has a short gallery, whose end is not far below.
    assert folder or not last.evaluate("image => image.complete")
    last.scroll_into_view_if_needed()
    view.until("[...document.querySelectorAll('#cards img')].at(-1).naturalWidth > 0")
    view.close()
    assert view.complaints == []
    assert len(view.requests) > 4
    assert all(url.startswith("file:///") for url in view.requests)


def test_the_reference_report_sorts_filters_and_steps(browser: Any) -> None:
    if not REFERENCE.exists():
        pytest.skip("there is no reports/reference: tox -e reference makes it")
    view = View(browser, REFERENCE)
    page = view.open()
    page.locator(".compact thead button").nth(1).click()
    values = [float(text) for text in column(page, 2)]
    assert values == sorted(values, reverse=True)
    # The settings stand below the name.
    arm = page.locator(".compact tbody tr:not(.baseline) th").first.evaluate("th => th.firstChild.data.trim()")
    choose(page, arm=arm, outcome="wrong")
    assert page.locator("#cards .verdict").all_text_contents() == ["✗ wrong"] * min(60, count(page))
    choose(page, outcome="")
    page.locator("#cards a").first.click()
    page.wait_for_selector("dialog[open] .full .step img")
    first = page.text_content("#trajectory-title") + view.address()
    page.keyboard.press("ArrowRight")
    view.until("document.querySelector('#position').textContent.startsWith('2')")
    assert page.text_content("#trajectory-title") + view.address() != first
    view.leave_dialog()
    # Whatever part of the run the gallery carries, the first number that leads to images finds some.
    page.locator(".compact td a").first.click()
    view.until("location.hash.includes('change=')")
    assert count(page) > 0 or page.locator(".compact td a").first.text_content() == "0"
    view.close()
    assert view.complaints == []


def test_the_page_over_the_reference_reports_leads_to_them(browser: Any) -> None:
    index = REFERENCE.parent / "index.html"
    if not index.exists():
        pytest.skip("there is no reports/reference: tox -e reference makes it")
    view = View(browser, REFERENCE.parent)
    view.page.goto(index.as_uri())
    view.page.click("h2 a >> nth=0")
    view.until("document.documentElement.dataset.ready === 'gallery'")
    view.close()
    assert view.complaints == []


def test_a_gallery_of_a_part_says_so_where_it_counts(browser: Any, results: Results, tmp_path: Path) -> None:
    view = View(browser, build(results, tmp_path / "part", gallery_mb=0.3).parent)
    page = view.open("#arm=*")
    assert f"samples of this page ({len(results.samples)} in the run)" in page.text_content("#count")
    assert 0 < count(page) < len(results.samples)
    assert "Chosen by rule, not by eye" in page.text_content(".part")
    view.close()
    assert view.complaints == []


def test_it_survives_a_zip(browser: Any, report: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "mail"), "zip", report.parent, report.name)
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "received here")
    # Gmail refuses these, in archives too.
    assert not {Path(name).suffix for name in names} & {".js", ".jse", ".mjs", ".exe", ".lnk"}
    assert all(len(name) < 150 and not re.search(r'[<>:"|?*\\]', name) for name in names)
    view = View(browser, tmp_path / "received here" / report.name)
    view.open(OPEN).wait_for_selector("dialog[open] .overlay")
    view.close()
    assert view.complaints == []


def test_columns_sort_both_ways_and_back(view: View) -> None:
    page = view.open()
    before = column(page, 2)
    button = page.locator(".compact thead button").nth(1)
    button.focus()
    page.keyboard.press("Enter")
    numbers = [float(text) for text in column(page, 2)[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert "incomplete" in column(page, 2)[-1]  # without a number: last, either way
    head = page.locator(".compact thead th").nth(1)
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert [float(text) for text in column(page, 2)[:-1]] == sorted(numbers)
    page.keyboard.press("Enter")
    assert column(page, 2) == before
    assert head.get_attribute("aria-sort") is None


def test_filters_count_what_the_table_counts(view: View, results: Results) -> None:
    samples = results.samples[results.samples["benchmark"] == "geneval"]
    page = view.open()
    choose(page, benchmark="geneval", arm="single-pass", category="counting", outcome="wrong")
    expected = samples[
        (samples["arm"] == "single-pass") & (samples["category"] == "counting") & (samples["score"] == 0)
    ]
    assert count(page) == len(expected) > 0
    assert "category=counting" in view.address()
    page.fill("input[name=q]", "red ball")
    assert count(page) == expected["prompt"].str.contains("red").mul(expected["prompt"].str.contains("ball")).sum()
    page.reload()
    view.until("document.documentElement.dataset.ready === 'gallery'")
    assert page.input_value("input[name=q]") == "red ball"
    assert page.input_value("select[name=category]") == "counting"
    page.click("#filters button[type=reset]")
    view.until("!location.hash.includes('q=')")
    assert page.input_value("select[name=category]") == ""


def test_fixed_and_broken_between_any_two_arms(view: View, results: Results) -> None:
    samples = results.samples[(results.samples["benchmark"] == "geneval") & (results.samples["state"] == "scored")]
    wide = samples.pivot(index=["item", "seed_index"], columns="arm", values="score")
    page = view.open()
    for arm, other in (("text-cot", "single-pass"), ("process max_iterations=5", "process max_iterations=2")):
        choose(page, benchmark="geneval", arm=arm, vs="" if other == "single-pass" else other)
        pairs = wide[[arm, other]].dropna()
        for change, right, was in (("fixed", 1, 0), ("broken", 0, 1), ("both-right", 1, 1), ("both-wrong", 0, 0)):
            choose(page, change=change)
            assert count(page) == ((pairs[arm] == right) & (pairs[other] == was)).sum()
    first = page.locator("#cards li").first
    assert first.locator(".one").count() == 2


def test_a_link_of_the_table_leads_to_its_images(view: View, results: Results) -> None:
    contrast = summarize(results)[0].analysis.contrast("process max_iterations=6")
    assert contrast is not None
    page = view.open()
    row = page.locator(".compact tbody tr", has_text="process max_iterations=6").first
    row.locator("a").first.click()
    view.until("location.hash.includes('change=fixed')")
    assert count(page) == contrast.flips.fixed > 0
    view.until("document.getElementById('gallery').getBoundingClientRect().top < 900")  # it scrolls there smoothly
    card = page.locator("#cards li").first
    assert card.locator(".verdict").all_text_contents() == ["✗ wrong", "✓ right"]
    page.go_back()
    view.until("!location.hash.includes('change')")
    assert count(page) != contrast.flips.fixed


def test_pages_hold_a_few_cards_each(view: View) -> None:
    page = view.open("#arm=*")
    total = count(page)
    assert total == 1152
    assert page.locator("#cards li").count() == 60
    page.get_by_text("Next →", exact=True).first.click()
    view.until("location.hash.includes('page=2')")
    assert page.locator("#pager").text_content().count("61–120 of 1152") == 1
    page.goto(view.address().split("#")[0] + "#arm=*&page=99")
    view.until("document.querySelector('#pager').textContent.includes('1141')")
    assert page.locator("#cards li").count() == total % 60


def test_a_trajectory_by_keyboard(view: View) -> None:
    page = view.open("#benchmark=geneval&arm=process+max_iterations%3D4")
    page.locator("#cards a").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .full")
    assert page.text_content("#position") == "3 of 72"
    assert page.locator(".full .step.sketch").count() == 4
    assert page.locator(".full .step.refine").count() == 2
    page.keyboard.press("ArrowRight")
    view.until("document.querySelector('#position').textContent.startsWith('4')")
    page.keyboard.press("Shift+ArrowRight")
    view.until("document.querySelector('.full').ariaLabel === 'process max_iterations=5'")
    assert "sample=geneval/00001/1/process max_iterations=5" in unquote_plus(view.address())
    page.keyboard.press("Shift+ArrowLeft")
    view.until("document.querySelector('.full').ariaLabel === 'process max_iterations=4'")
    view.leave_dialog()
    assert page.evaluate("document.activeElement.dataset.id") == "geneval/00001/1/process max_iterations=4"


def test_steps_verdicts_boxes_and_the_other_arms(view: View, results: Results) -> None:
    page = view.open(OPEN)
    page.wait_for_selector("dialog[open] .outcome .overlay")
    assert page.locator(".outcome .overlay rect").count() == 2
    assert "brown kite 0.97" in page.locator(".outcome .overlay").text_content()
    texts = page.locator(".full .step .text").all_text_contents()
    sample = results.samples.set_index(["benchmark", "item", "seed_index", "arm"])
    steps = results.steps(sample.loc[("geneval", "00007", 0, "process max_iterations=4"), "trajectory"])
    assert texts == [step["text"] for step in steps if step["iteration"] <= 4 and step["text"]]
    # A step whose image is some arm's final one has that arm's verdict and boxes.
    finals = set(sample.loc[("geneval", "00007", 0), "image"])
    scored = [step for step in steps if step["iteration"] <= 4 and step["image"] in finals]
    assert page.locator(".full .course .verdict").count() == len(scored) >= 4
    named = page.locator(".row .arm").all_text_contents()
    assert [text.split(" ")[0] for text in named] == ["single-pass", "text-cot", *["process"] * 4]
    page.uncheck(".switch input")
    assert page.locator(".outcome .overlay").is_hidden()
    page.locator(".row summary").first.click()
    page.wait_for_selector(".row .step.draw")


def test_hostile_text_stays_text(view: View) -> None:
    page = view.open(HOSTILE)
    assert count(page) > 8
    assert INJECTION in page.locator("#cards .prompt", has_text="kite").first.text_content()
    page.goto(view.address().split("#")[0] + "#arm=*&sample=geneval%2F00007%2F0%2Ftext-cot")
    page.wait_for_selector("dialog[open] .full")
    assert INJECTION in page.text_content("#trajectory-title")
    assert INJECTION in page.locator(".full .text").first.text_content()
    assert page.title() == "iters – evaluation report"
    assert page.locator("img[onerror], #cards script, dialog script").count() == 0


def test_nothing_but_the_page_s_own_script_may_run(browser: Any, report: Path) -> None:
    view = View(browser, report)
    page = view.open()
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title=1'}))"
    )
    assert page.title() == "iters – evaluation report"
    assert any("Content Security Policy" in text for text in view.complaints)
    view.close()


def test_missing_data_is_said(browser: Any, report: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(report, tmp_path / "broken")
    for path in (broken / "data").glob("part-*.css"):
        path.unlink()
    view = View(browser, broken)
    page = view.open(OPEN)
    page.wait_for_selector("dialog[open]")
    assert "data/part-0.css is missing from this folder." in page.text_content("#trajectory-body")
    view.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("hash_", ["", OPEN, "#arm=text-cot&change=fixed"], ids=["page", "trajectory", "pairs"])
def test_axe_finds_nothing_serious(browser: Any, report: Path, scheme: str, hash_: str) -> None:
    view = View(browser, report, color_scheme=scheme)
    page = view.open(hash_)
    if hash_ == OPEN:
        page.wait_for_selector("dialog[open] .overlay")
    require_axe(page)
    view.close()


@pytest.mark.parametrize("width", [500, 360])
def test_a_narrow_page_does_not_scroll_sideways(browser: Any, report: Path, width: int) -> None:
    view = View(browser, report, viewport={"width": width, "height": 800})
    page = view.open()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page = view.open(OPEN)
    page.reload()
    page.wait_for_selector("dialog[open] .full")
    assert page.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('dialog'))")
    view.close()


def test_dark_figures_print_and_motion(browser: Any, report: Path) -> None:
    view = View(browser, report, color_scheme="dark", reduced_motion="reduce")
    page = view.open()
    source = "document.querySelector('.figures img').currentSrc"
    view.until(f"{source}.endsWith('-dark.svg')")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.emulate_media(media="print", color_scheme="light")
    view.until(f"{source}.endsWith('iterations.svg')")
    assert page.locator("#filters").is_hidden()
    assert page.pdf()[:5] == b"%PDF-"
    view.close()
    assert view.complaints == []
