"""The page of prompts × arms in a browser: rows, columns, comparison, two pictures at a time, and how much it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import pytest
from browser import View, require_axe
from report_samples import INJECTION, sample_results

from evalharness.report import build
from evalharness.report.grid_page import PAGE
from evalharness.report.summary import summarize
from evalharness.store.results import Results

pytestmark = pytest.mark.slow
PROCESS = [f"process max_iterations={cap}" for cap in range(1, 7)]
GENEVAL = "rows.filter((row) => row.benchmark === 'geneval')"
MAX_BYTES, MAX_NODES, MAX_PICTURES = 3_000_000, 3_000, 500


def open_grid(view: View, hash_: str = "") -> Any:
    view.page.goto((view.folder.absolute() / PAGE).as_uri() + hash_, wait_until="commit")
    view.until("document.documentElement.dataset.ready === 'grid'")
    return view.page


def counted(page: Any) -> int:
    return int(page.text_content("#count").split()[0])


def wide(results: Results, value: str = "score", benchmark: str = "geneval") -> pd.DataFrame:
    samples = results.samples[(results.samples["benchmark"] == benchmark) & (results.samples["state"] == "scored")]
    return samples.pivot(index=["item", "seed_index"], columns="arm", values=value).astype(float)


def test_a_row_for_each_prompt_and_seed_a_column_for_each_arm(view: View, results: Results) -> None:
    page = open_grid(view)
    assert counted(page) == len(wide(results)) == 72
    heads = page.locator("#grid thead th").all_text_contents()
    assert heads == ["Prompt", *results.arms["arm"]]
    cells = page.locator("#grid tbody tr").nth(20).locator("td")  # the first have failed samples
    assert cells.count() == len(results.arms)
    first = wide(results).iloc[20]
    verdicts = cells.locator(".verdict").all_text_contents()
    assert verdicts == ["✓ right" if first[arm] == 1 else "✗ wrong" for arm in results.arms["arm"]]


def test_only_where_arms_differ_depends_on_the_columns(view: View, results: Results) -> None:
    page = open_grid(view)
    page.check("[name=differ]")
    scores = wide(results)
    assert counted(page) == (scores.nunique(axis=1) > 1).sum() > 0
    page.locator(".more summary").click()
    for arm in (*PROCESS, "text-cot"):
        page.uncheck(f"[name=arm][value='{arm}']")
    assert counted(page) == 0
    page.check(f"[name=arm][value='{PROCESS[-1]}']")
    pairs = scores[["single-pass", PROCESS[-1]]].dropna()
    assert counted(page) == (pairs["single-pass"] != pairs[PROCESS[-1]]).sum() > 0
    page.reload()  # the address holds it all
    view.until("document.documentElement.dataset.ready === 'grid'")
    assert page.locator("#grid thead th").count() == 3


def test_filters_by_score_iterations_cost_and_refinement(view: View, results: Results) -> None:
    samples = results.samples[results.samples["benchmark"] == "geneval"]
    arm = samples[samples["arm"] == PROCESS[-1]]
    page = open_grid(view, "#of=process+max_iterations%3D6")
    page.locator(".more summary").click()
    page.select_option("[name=outcome]", "wrong")
    assert counted(page) == (arm["score"] == 0).sum() > 0
    page.select_option("[name=outcome]", "")
    page.fill("[name=iterations-to]", "5")
    assert counted(page) == (arm["iterations"].astype(float) <= 5).sum() > 0
    page.fill("[name=iterations-to]", "")
    least = int(arm["evaluations"].astype(float).max())
    page.fill("[name=evaluations-from]", str(least))
    assert counted(page) == (arm["evaluations"].astype(float) >= least).sum() > 0
    page.fill("[name=evaluations-from]", "")
    page.select_option("[name=refined]", "yes")
    assert counted(page) == len(arm)
    page.select_option("[name=of]", "text-cot")
    assert counted(page) == 0
    page.select_option("[name=refined]", "")
    page.select_option("[name=category]", "counting")
    assert counted(page) == (arm["category"] == "counting").sum()


def test_random_rows_are_some_and_the_same_for_the_same_address(view: View) -> None:
    page = open_grid(view)
    page.click("#random")
    view.until("document.querySelectorAll('#grid tbody tr').length === 12")
    prompts = page.locator("#grid tbody th").all_text_contents()
    page.reload()
    view.until("document.documentElement.dataset.ready === 'grid'")
    assert page.locator("#grid tbody th").all_text_contents() == prompts
    page.click("#all")
    view.until("document.querySelectorAll('#grid tbody tr').length > 12")


def test_two_arms_differ_by_what_the_report_says(view: View, results: Results) -> None:
    contrast = summarize(results)[0].analysis.contrast(PROCESS[-1])
    assert contrast is not None
    page = open_grid(view, "#a=single-pass&b=process+max_iterations%3D6")
    page.locator("#compare summary").click()
    cells = page.locator("#comparison tbody tr").first.locator("td").all_text_contents()
    assert cells[2].split()[0] == f"+{100 * contrast.difference.value:.1f}"
    assert int(cells[-1]) == contrast.difference.samples


def test_equal_cost_is_a_mixture_of_two_neighbours(view: View, results: Results) -> None:
    scores, costs = wide(results), wide(results, "evaluations").mean()
    low, high = PROCESS[0], PROCESS[1]  # 20 and 60 steps; a single pass takes 20, text-cot too
    weights = dict.fromkeys(results.samples["category"].unique(), 1 / 6)
    page = open_grid(view, f"#a={PROCESS[2].replace(' ', '+').replace('=', '%3D')}&b=single-pass")
    page.locator("#compare summary").click()
    rows = page.locator("#comparison tbody tr").all_text_contents()
    assert costs[low] == costs["single-pass"] == 20
    assert f"The kind of A at the cost of B: {low}" in rows[2]
    assert "none: no mixture of single-pass costs that much" in rows[1]
    # The same by another way: the mixture in Python, for a cost between two caps.
    wanted = 0.25 * costs[low] + 0.75 * costs[high]
    found = page.evaluate(
        f"(wanted) => mixtureOfCost({GENEVAL}, familyOf('process max_iterations=1'), 'evaluations', wanted)",
        wanted,
    )
    assert found == [[low, pytest.approx(0.25)], [high, pytest.approx(0.75)]]
    mixed = 0.25 * scores[low] + 0.75 * scores[high] - scores["single-pass"]
    categories = results.samples.drop_duplicates("item").set_index("item")["category"]
    by_category = mixed.dropna().groupby(lambda index: categories[index[0]]).mean()
    expected = sum(weights[category] * value for category, value in by_category.items())
    value = page.evaluate(
        f"([mixture, weights]) => difference({GENEVAL}, [['single-pass', 1]], mixture, weights).value",
        [found, weights],
    )
    assert value == pytest.approx(expected)
    assert np.isfinite(expected)


def test_two_pictures_by_keyboard_with_slider_blink_and_boxes(view: View) -> None:
    page = open_grid(view, "#q=00007")
    page.locator("button.open").nth(3).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] #stage .overlay")
    assert "right=process+max_iterations%3D3" in view.address() and "left=single-pass" in view.address()
    assert page.locator("#stage .side").count() == 2
    page.keyboard.press("x")
    assert page.locator("#stage .overlay").first.is_hidden()
    page.keyboard.press("2")
    view.until("document.getElementById('viewer').dataset.mode === 'slider'")
    page.locator("[name=slider]").evaluate(
        "(field) => { field.value = 30; field.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    assert (
        page.evaluate("getComputedStyle(document.querySelectorAll('#stage .frame')[1]).clipPath")
        == "inset(0px 0px 0px 30%)"
    )
    page.keyboard.press("3")
    view.until("document.getElementById('viewer').dataset.mode === 'blink'")
    visible = "getComputedStyle(document.querySelector('#stage .side')).visibility"
    view.until(f"{visible} === 'hidden'")  # without any help
    page.locator("#viewer-title").focus()
    page.keyboard.press("ArrowRight")
    view.until("location.hash.includes('right=process+max_iterations%3D4')")
    page.keyboard.press("ArrowDown")
    view.until("document.getElementById('place').textContent.startsWith('2 of')")
    view.leave_dialog()
    assert page.evaluate("document.activeElement.dataset.id").endswith("process max_iterations=4")


def test_reduced_motion_does_not_blink_by_itself(browser: Any, report: Path) -> None:
    view = View(browser, report, reduced_motion="reduce")
    page = open_grid(view, "#row=7%2F0&left=single-pass&right=text-cot&mode=blink")
    page.wait_for_selector("dialog[open] #stage .side")
    page.wait_for_timeout(1500)
    assert not page.evaluate("document.getElementById('stage').classList.contains('swapped')")
    page.keyboard.press("Space")
    assert page.evaluate("document.getElementById('stage').classList.contains('swapped')")
    view.close()


def test_hostile_text_stays_text_in_the_grid(view: View) -> None:
    page = open_grid(view, "#q=00007")
    assert INJECTION in page.locator("#grid tbody th").first.text_content()
    page.locator("button.open").first.click()
    page.wait_for_selector("dialog[open] #stage .side")
    assert INJECTION in page.text_content("#viewer-title")
    assert page.title() == "iters – prompts × arms"
    assert page.locator("img[onerror], main script, dialog script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "hash_", ["", "#row=7%2F0&left=single-pass&right=text-cot&mode=slider"], ids=["grid", "viewer"]
)
def test_axe_finds_nothing_serious_in_the_grid(browser: Any, report: Path, scheme: str, hash_: str) -> None:
    view = View(browser, report, color_scheme=scheme)
    page = open_grid(view, hash_)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    if hash_:
        page.wait_for_selector("dialog[open] .overlay")
    require_axe(page)
    view.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_the_grid_does_not_scroll_sideways(browser: Any, report: Path, width: int) -> None:
    view = View(browser, report, viewport={"width": width, "height": 800})
    page = open_grid(view)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    view.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 10,000 samples: 1,250 prompts × 8 arms."""
    folder = tmp_path_factory.mktemp("large")
    results = sample_results(folder / "images", prompts=1250, missing=False)
    assert len(results.samples) == 10_000
    return build(results, folder / "report").parent


# Counts the nodes and the requests at the moment at which the first picture has loaded.
FIRST_PICTURE = """
window.firstPicture = null;
document.addEventListener("load", (event) => {
  if (event.target.localName === "img" && !window.firstPicture) {
    window.firstPicture = document.querySelectorAll("*").length;
  }
}, true);
"""


@pytest.mark.parametrize("name", ["index.html", PAGE])
def test_10_000_samples_read_and_build_little_before_the_first_picture(browser: Any, large: Path, name: str) -> None:
    view = View(browser, large)
    view.page.add_init_script(FIRST_PICTURE)
    view.page.goto((large / name).as_uri(), wait_until="commit")
    view.until("window.firstPicture > 0")
    nodes = view.page.evaluate("window.firstPicture")
    read = sum(Path(unquote(urlparse(url).path)).stat().st_size for url in view.requests)
    view.until("document.documentElement.dataset.ready")
    pictures = view.page.locator("img").count()
    view.close()
    print(f"\n{name}: {read:,} bytes, {nodes:,} nodes, {pictures} pictures")  # noqa: T201 - for docs
    assert read <= MAX_BYTES
    assert nodes <= MAX_NODES
    assert 0 < pictures <= MAX_PICTURES
