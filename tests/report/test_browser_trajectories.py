"""The page of chosen trajectories as a browser shows it, from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import View, require_axe
from refined_samples import refined_results

from evalharness.report import build
from evalharness.report.trajectories_page import PAGE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = refined_results(tmp_path_factory.mktemp("images"))
    return build(results, tmp_path_factory.mktemp("reports") / "chosen").parent


def opened(view: View) -> Any:
    view.page.goto((view.folder / PAGE).as_uri(), wait_until="load")
    return view.page


def test_from_the_report_to_an_example_and_into_the_gallery_by_keyboard(browser: Any, folder: Path) -> None:
    view = View(browser, folder)
    page = view.open()
    link = page.locator("#trajectories li a").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{PAGE}#arm-1-fixed-instruction-state")
    view.until("document.querySelector('.noted img').naturalWidth === 96")
    assert page.locator(".noted").count() == 4
    assert page.locator(".chosen .overlay rect").first.bounding_box()["width"] > 10
    page.get_by_text("in the gallery").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .full")
    assert "process max_iterations=6" in page.locator(".full").get_attribute("aria-label")
    view.close()
    assert view.complaints == []
    assert all(url.startswith("file:///") for url in view.requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_it(browser: Any, folder: Path, scheme: str) -> None:
    view = View(browser, folder, color_scheme=scheme)
    require_axe(opened(view))
    view.close()


@pytest.mark.parametrize("width", [1280, 500, 360])
def test_it_does_not_scroll_sideways(browser: Any, folder: Path, width: int) -> None:
    view = View(browser, folder, viewport={"width": width, "height": 800})
    assert opened(view).evaluate("document.documentElement.scrollWidth") <= width
    view.close()
    assert view.complaints == []
