"""The page of a run in progress in a browser: it follows the run, stays text, is accessible, fits a phone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import View, require_axe
from mock_sweeps import draw_and_score
from report_samples import INJECTION
from viewing import Viewing, viewing

import evalharness as eh
from evalharness.execution import heartbeat

pytestmark = pytest.mark.slow
SWEEP = f"""\
name: tiny
seed: 3
model: {{name: mock, refuses: [three]}}
benchmarks:
  - {{name: mock, samples: 2, prompts: [one, two, three, {json.dumps(INJECTION)}]}}
arms:
  - {{name: single, variant: single_pass}}
  - {{name: process, variant: process, max_iterations: 1..3}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose status says that it goes on, in this process."""
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    out = tmp_path / "r" / "tiny"
    draw_and_score(tmp_path / "tiny.yaml", out)
    stages = {"draw": {"done": 12, "failed": 2, "total": 16, "rate": 0.1}}
    change(out, state="running", pid=os.getpid(), stages=stages)
    return out


def change(out: Path, **values: object) -> None:
    file = out / heartbeat.NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.fixture
def served(run: Path) -> Iterator[Viewing]:
    with viewing(run) as server:
        yield server


def go(browser: Any, server: Viewing, run: Path, **options: Any) -> View:
    view = View(browser, run, **options)
    view.page.goto(server.address)
    view.until("document.documentElement.dataset.ready === 'view'")
    return view


def test_the_page_follows_the_run(browser: Any, served: Viewing, run: Path) -> None:
    view = go(browser, served, run)
    page = view.page
    assert page.text_content("#state").startswith("Running for ")
    assert "24 of 32 samples scored, 8 failed." in page.text_content("#state")
    assert page.text_content("#stages").count("12 of 16, 2 failed, about 40 s left") == 1
    assert page.locator("#tables tbody tr").count() == 4
    assert page.locator("#failures li").count() == 1
    assert page.is_visible("#provisional") and page.is_hidden("#report")
    view.until("[...document.querySelectorAll('#pictures img')].every((image) => image.naturalWidth > 0)")
    assert page.locator("#pictures img").count() > 1
    change(run, state="done")
    (run / "index.html").write_text("<!DOCTYPE html><title>its report</title>")
    (run / "data").mkdir()
    (run / "data" / "files.json").write_text('["index.html"]')
    view.until("document.getElementById('state').textContent.startsWith('The run is done.')")
    page.click("#report a")
    assert page.title() == "its report"
    assert view.complaints == []
    assert all(url.startswith(served.address) for url in view.requests)
    view.close()


def test_hostile_text_stays_text(browser: Any, served: Viewing, run: Path) -> None:
    view = go(browser, served, run)
    assert INJECTION in view.page.text_content("#pictures")
    assert view.page.title() == "▶ tiny – run"
    assert view.page.locator("img[onerror], main script").count() == 0
    view.close()


def test_the_report_works_as_it_does_from_the_disk(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    eh.run(tmp_path / "tiny.yaml", out=tmp_path / "r" / "tiny", quiet=True).close()
    with viewing(tmp_path / "r" / "tiny") as server:
        view = View(browser, tmp_path)
        view.page.goto(f"{server.address}report/index.html")
        view.until("document.documentElement.dataset.ready === 'gallery'")
        view.until("[...document.querySelectorAll('#cards img')].some((image) => image.naturalWidth > 0)")
        view.page.goto(f"{server.address}report/grid.html")
        view.until("document.documentElement.dataset.ready === 'grid'")
        assert view.complaints == []
        assert all(url.startswith(server.address) for url in view.requests)
        view.close()


def test_a_server_that_has_ended_is_told(browser: Any, run: Path) -> None:
    with viewing(run) as server:
        view = go(browser, server, run)
    view.until("document.getElementById('state').textContent.startsWith('evalharness view has ended')")
    assert view.page.locator("#tables tbody tr").count() == 4, "what was seen last stays"
    view.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    browser: Any, served: Viewing, run: Path, width: int, scheme: str
) -> None:
    view = go(browser, served, run, viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    require_axe(view.page)
    view.close()
