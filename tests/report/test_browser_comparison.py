"""The page that compares runs in a browser: sorting, partners side by side, accessibility, width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import View, require_axe
from compared_runs import compared_runs

from evalharness.analysis.comparison import compare_runs
from evalharness.report.comparison_page import write_comparison

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    runs = compared_runs(folder)
    (folder / "page").mkdir()
    write_comparison(runs, compare_runs(runs), folder / "page", folder / "page")
    return folder / "page"


@pytest.fixture
def compared(browser: Any, comparison: Path) -> Iterator[View]:
    view = View(browser, comparison)
    yield view
    view.close()
    assert view.complaints == []
    assert all(url.startswith("file:///") for url in view.requests)


def go(view: View, name: str = "index.html") -> Any:
    view.page.goto((view.folder / "index.html").as_uri().replace("index.html", name), wait_until="load")
    if name.startswith("grid"):
        view.until("document.documentElement.dataset.ready === 'grid'")
    return view.page


def test_the_table_sorts_by_score(compared: View) -> None:
    page = go(compared)
    page.click("#scores th button:has-text('geneval')")
    values = page.locator("#scores tbody tr td:nth-child(2)").evaluate_all("cells => cells.map(c => +c.dataset.value)")
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1


def test_a_picture_leads_to_it_beside_its_partner(compared: View) -> None:
    page = go(compared)
    page.click(".pictures td:nth-child(3) a")
    compared.until("document.documentElement.dataset.ready === 'grid'")
    page.wait_for_selector("dialog[open] #stage .side")
    names = [name.strip() for name in page.locator("#stage figcaption b").all_text_contents()]
    assert names == ["A single-pass", "B single-pass"]
    assert page.locator("#stage .annotation").count() == 0
    compared.leave_dialog()


def test_only_where_a_partner_has_another_verdict(compared: View) -> None:
    page = go(compared, "grid.html#differ=1")
    assert page.text_content("#count").startswith("5 of 22")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "grid.html"])
def test_axe_finds_nothing_serious(browser: Any, comparison: Path, name: str, scheme: str) -> None:
    view = View(browser, comparison, color_scheme=scheme)
    page = go(view, name)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    require_axe(page)
    view.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_it_does_not_scroll_sideways_and_a_phone_shows_one_claim(browser: Any, comparison: Path, width: int) -> None:
    view = View(browser, comparison, viewport={"width": width, "height": 844})
    page = go(view)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".claims li:visible").count() == (1 if width == 390 else 2)
    view.close()
