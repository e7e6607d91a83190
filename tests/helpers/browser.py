"""The system's Chromium, driven by Playwright, for tests and benchmarks of the report's page.

As a program it takes the picture of a report: ``python tests/helpers/browser.py REPORT PICTURE.png``.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """``EVALHARNESS_CHROMIUM``, or the first of the usual names that is on the path."""
    return os.environ.get("EVALHARNESS_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched() -> Iterator[Any]:
    """A Playwright browser; skips, saying why, where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = chromium()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} on the path, EVALHARNESS_CHROMIUM is not set")
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, cannot use the sandbox.
        sandbox = os.geteuid() != 0
        browser = playwright.chromium.launch(
            executable_path=executable, chromium_sandbox=sandbox, args=["--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


class View:
    """A page of a report, with what it asked for and what it complained of."""

    def __init__(self, browser: Any, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("requestfailed", self._note_failure)
        self.page.on("console", lambda message: self._heard(message))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _note_failure(self, request: Any) -> None:
        """Note a request that failed; one is aborted when the page is left before it ends."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url}")

    def open(self, hash_: str = "") -> Any:
        """Go to the page and wait for its gallery."""
        self.page.goto((self.folder.absolute() / "index.html").as_uri() + hash_, wait_until="commit")
        self.until("document.documentElement.dataset.ready === 'gallery'")
        return self.page

    def until(self, condition: str) -> None:
        """Wait for an expression to be true. (Playwright's own way evaluates in the page, which its policy forbids.)"""
        deadline = time.monotonic() + 60
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"never: {condition}"
            self.page.wait_for_timeout(20)

    def leave_dialog(self) -> None:
        """Press Escape and wait for what the page does in answer, which comes after the dialog is shut."""
        self.page.keyboard.press("Escape")
        self.until("!document.querySelector('dialog').open && !/[#&](row|sample)=/.test(location.hash)")

    def address(self) -> str:
        """The page's address as it is now (Playwright's own copy of it may be late)."""
        return str(self.page.evaluate("location.href"))

    def close(self) -> None:
        self.context.close()

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


def require_axe(page: Any) -> None:
    """Check that axe finds nothing serious on a page; skips, saying why, where there is no axe."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    violations = axe.Axe().run(page).response["violations"]
    grave = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in grave] == []


def picture(folder: Path, target: Path) -> None:
    """The first screen of a report, as the README shows it."""
    with launched() as browser:
        view = View(browser, folder, viewport={"width": 1280, "height": 1180})
        page = view.open()
        # Images below the screen may never load.
        view.until("[...document.images].every((i) => i.complete || i.getBoundingClientRect().top > innerHeight)")
        target.write_bytes(page.screenshot())
        view.close()


if __name__ == "__main__":
    try:
        picture(Path(sys.argv[1]), Path(sys.argv[2]))
    except pytest.skip.Exception as reason:
        sys.exit(str(reason))
