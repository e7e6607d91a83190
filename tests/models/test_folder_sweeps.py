"""A folder of images through the whole of a run: what is missing, what is changed, what is said of it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import core_fakes
import pytest
from core_fakes import FakeScorer
from PIL import Image

import evalharness.report
from evalharness.cli import sweep
from evalharness.store.results import Results

Write = Callable[[str], Path]
SWEEP = """\
name: tiny
models: {mine: {name: folder, path: images}}
benchmarks: [fake]
arms:
  - {name: mine, variant: single_pass}
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images for each of the fake benchmark's ten items."""
    folder = tmp_path / "images"
    for item in range(10):
        for index in range(2):
            path = folder / str(item) / "samples" / f"{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (100 + 10 * item, index, 0)).save(path)
    return folder


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, fakes: None) -> list[Results]:
    made: list[Results] = []

    def build(results: Results, out: Path, **options: object) -> Path:
        made.append(results)
        return core_fakes.build(results, out)

    monkeypatch.setattr(evalharness.report, "build", build)
    return made


def run(file: Path) -> list[dict[str, str]]:
    out = file.parent / "r" / "x"
    assert sweep.main([str(file), "--out", str(out), "--quiet"]) == 0
    return list(csv.DictReader((out / "index.html").open()))


def test_images_are_scored_once_and_a_changed_one_again(
    images: Path, sweep_file: Write, reports: list[Results], capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(SWEEP)
    first = run(file)
    assert {row["state"] for row in first} == {"scored"}
    assert FakeScorer.looked == 20
    assert "warning" not in capsys.readouterr().err
    assert reports[0].info["images"]["mine"] | {"digest": ""} == {"files": 20, "wanted": 20, "digest": ""}
    assert run(file) == first
    assert FakeScorer.looked == 20
    Image.new("RGB", (4, 4), "black").save(images / "3" / "samples" / "0001.png")
    changed = [new["item"] + "/" + new["seed_index"] for old, new in zip(first, run(file), strict=True) if old != new]
    assert (changed, FakeScorer.looked) == (["3/1"], 21)
    assert reports[-1].info["images"]["mine"]["digest"] != reports[0].info["images"]["mine"]["digest"]


def test_a_missing_image_is_no_zero_and_may_come_later(
    images: Path, sweep_file: Write, reports: list[Results], capsys: pytest.CaptureFixture[str]
) -> None:
    file = sweep_file(SWEEP)
    path = images / "3" / "samples" / "0001.png"
    data = path.read_bytes()
    path.unlink()
    (images / "4" / "samples" / "0000.png").write_bytes(data[:50])
    failed = [row for row in run(file) if row["state"] == "failed"]
    assert failed[0]["reason"] == "missing image: 3/samples/0001.png"
    assert failed[1]["reason"].startswith("unreadable image: 4/samples/0000.png: ")
    output = capsys.readouterr()
    assert "mine" in output.out
    assert "incomplete" in output.out
    assert "warning: mine: 1 of 20 images missing: 3/samples/0001.png" in output.err
    assert "warning: mine: 1 images could not be used: unreadable image: 4/samples/0000.png: " in output.err
    assert len(reports[-1].info["warnings"]) == 2 + ("no images" in output.err)
    path.write_bytes(data)
    (images / "4" / "samples" / "0000.png").write_bytes(data)
    assert {row["state"] for row in run(file)} == {"scored"}, "no --retry-failed is needed: the file is another one"
    assert reports[-1].info["warnings"] == []


@pytest.mark.usefixtures("images", "fakes")
def test_a_dry_run_says_what_is_missing(sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images" / "3" / "samples" / "0001.png").unlink()
    assert sweep.main([str(sweep_file(SWEEP)), "--dry-run", "--store", str(tmp_path / "store")]) == 0
    assert "warning: mine: 1 of 20 images missing: 3/samples/0001.png" in capsys.readouterr().out


@pytest.mark.usefixtures("images", "fakes")
def test_images_cannot_think(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(SWEEP.replace("single_pass", "process"))
    assert sweep.main([str(file)]) == 2
    error = capsys.readouterr().err
    assert "arm 'mine': variant 'process' needs a model that reads and writes; 'folder' only draws" in error


@pytest.mark.usefixtures("images", "fakes")
def test_a_page_warns(sweep_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evalharness.report.page import write_page

    monkeypatch.setattr(evalharness.report, "build", write_page)
    (tmp_path / "images" / "3" / "samples" / "0001.png").unlink()
    out = tmp_path / "r" / "x"
    assert sweep.main([str(sweep_file(SWEEP)), "--out", str(out), "--quiet"]) == 0
    assert "<li>mine: 1 of 20 images missing: 3/samples/0001.png</li>" in (out / "index.html").read_text()
