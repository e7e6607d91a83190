"""A report in one file: everything is inside, its policy allows that and no more, and it says how large it is."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import View
from mock_sweeps import SWEEP

from evalharness.cli import main, sweep
from evalharness.errors import EvalHarnessError
from evalharness.report.single_file import SingleFile, write_single_file
from evalharness.store.results import Results

Write = Callable[[str], Path]


class References(HTMLParser):
    """What a page refers to, its ids, and its elements with text that decides what runs or is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.texts: dict[str, list[str]] = {"style": [], "script": []}
        self.policy = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.addresses += [value for name in ("href", "src", "srcset") if (value := found.get(name))]
        self.ids += [value for value in [found.get("id")] if value]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag in self.texts:
            self._inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> SingleFile:
    return write_single_file(results, tmp_path_factory.mktemp("one") / "report.html")


def test_it_refers_to_nothing_outside(written: SingleFile) -> None:
    page = References(written.path.read_text())
    assert {address.partition(":")[0] for address in page.addresses if not address.startswith("#")} == {"data"}
    anchors = {address[1:] for address in page.addresses if address.startswith("#") and "=" not in address}
    assert anchors - {""} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_its_policy_allows_what_is_inside_by_digest(written: SingleFile) -> None:
    page = References(written.path.read_text())
    assert "file:" not in page.policy and "unsafe" not in page.policy and "'self'" not in page.policy
    for kind, texts in page.texts.items():
        allowed = set(re.findall(r"'sha256-([^']+)'", re.search(rf"{kind}-src ([^;]+)", page.policy)[1]))  # type: ignore[index]
        assert {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts} == allowed


def test_what_models_wrote_stays_text(written: SingleFile) -> None:
    page = References(written.path.read_text())
    assert len(page.texts["script"]) == 1
    assert not any("<" in text for text in page.texts["style"] if "data-sheet" in text)


def test_tables_are_saved_from_it(written: SingleFile, report: Path) -> None:
    text = written.path.read_text()
    data = re.search(r'href="data:text/csv;base64,([^"]+)" download="geneval-wide.csv"', text)
    assert data is not None
    assert base64.b64decode(data[1]) == (report / "tables" / "geneval-wide.csv").read_bytes()


def test_its_size_is_that_of_the_file_and_pictures_have_a_limit(
    written: SingleFile, results: Results, tmp_path: Path
) -> None:
    assert written.size == written.path.stat().st_size
    assert (written.samples, written.of) == (len(results.samples), len(results.samples))
    smaller = write_single_file(results, tmp_path / "small.html", megabytes=0.1)
    assert smaller.size < written.size - 500_000
    assert 0 < smaller.samples < smaller.of


def test_a_place_that_cannot_be_written_is_one_line(results: Results, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvalHarnessError, match=r"cannot write .*; choose another file"):
        write_single_file(results, tmp_path / "file" / "report.html")


def test_commands_write_it_and_say_its_size(
    sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = sweep_file(SWEEP), tmp_path / "r" / "tiny"
    one = tmp_path / "one.html"
    assert sweep.main([str(file), "--out", str(out), "--quiet", "--single-file", str(one)]) == 0
    size = one.stat().st_size
    assert capsys.readouterr().out.endswith(f"single file: {one} ({size / 1e6:.1f} MB, pictures of all samples)\n")
    one.unlink()
    assert main.main(["report", str(out), "--single-file", str(one)]) == 0
    assert one.stat().st_size > 10_000
    for option in ("--dry-run", "--check", "--draw-only"):
        assert sweep.main([str(file), "--out", str(out), option, "--single-file", str(one)]) == 2
        assert f"{option} writes no report" in capsys.readouterr().err
    assert main.main(["report", str(out), "--single-file", str(tmp_path)]) == 2
    assert "is a folder; name a file" in capsys.readouterr().err


@pytest.mark.slow
def test_it_opens_alone_in_a_browser(browser: Any, written: SingleFile, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(written.path.read_bytes())
    view = View(browser, tmp_path)
    page = view.open()
    page.locator("#cards a").first.click()
    view.until("document.querySelectorAll('#trajectory-body .steps').length > 0")
    assert page.evaluate("[...document.images].filter((image) => image.complete && !image.naturalWidth).length") == 0
    assert [address for address in view.requests if not address.startswith("data:")] == [
        (tmp_path / "index.html").as_uri()
    ]
    view.close()
    assert view.complaints == []
