"""A folder of images through the whole of a run: what is missing, what is changed, what is said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mock_sweeps import draw_and_score, reported, rows, run_without_report, states
from PIL import Image

import evalharness as eh
from evalharness._util.exit_codes import ExitCode
from evalharness.analysis import analyse
from evalharness.cli import sweep
from evalharness.planning.plan_record import plan_text
from evalharness.planning.recorded_plans import read_plan
from evalharness.report.summary import summarize
from evalharness.testing import MockScorer

Write = Callable[[str], Path]
SWEEP = """\
name: tiny
models: {mine: {name: folder, path: images}}
benchmarks: [mock]
arms:
  - {name: mine, variant: single_pass}
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images for each of the mock benchmark's ten items."""
    folder = tmp_path / "images"
    for item in range(10):
        for index in range(2):
            path = folder / str(item) / "samples" / f"{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (100 + 10 * item, index, 0)).save(path)
    return folder


def test_images_are_scored_once_and_a_changed_one_again(
    images: Path, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
    with run_without_report(file, out) as results:
        first, imported = rows(results), results.info["images"]["mine"]
    assert {row["state"] for row in first} == {"scored"}
    assert len(MockScorer.scored) == 20
    assert "warning" not in capsys.readouterr().err
    assert imported | {"digest": ""} == {"files": 20, "wanted": 20, "digest": ""}
    assert draw_and_score(file, out) == first
    assert len(MockScorer.scored) == 20
    Image.new("RGB", (4, 4), "black").save(images / "3" / "samples" / "0001.png")
    with run_without_report(file, out) as results:
        pairs = list(zip(first, rows(results), strict=True))
        assert results.info["images"]["mine"]["digest"] != imported["digest"]
    changed = [(after["item"], after["seed_index"]) for before, after in pairs if before != after]
    assert (changed, len(MockScorer.scored)) == ([("3", 1)], 21)


def test_a_missing_image_is_no_zero_and_may_come_later(
    images: Path, sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
    path = images / "3" / "samples" / "0001.png"
    data = path.read_bytes()
    path.unlink()
    (images / "4" / "samples" / "0000.png").write_bytes(data[:50])
    assert sweep.main([str(file), "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
    failed = [row for row in reported(out) if row["state"] == "failed"]
    assert failed[0]["reason"] == "missing image: 3/samples/0001.png"
    assert failed[1]["reason"].startswith("unreadable image: 4/samples/0000.png: ")
    output = capsys.readouterr()
    assert "mine" in output.out
    assert "incomplete" in output.out
    assert "warning: mine: 1 of 20 images missing: 3/samples/0001.png" in output.err
    assert "warning: mine: 1 images could not be used: unreadable image: 4/samples/0000.png: " in output.err
    warnings = json.loads((out / "results.json").read_text())["info"]["warnings"]
    assert len(warnings) == 2 + ("no images" in output.err)
    path.write_bytes(data)
    (images / "4" / "samples" / "0000.png").write_bytes(data)
    with run_without_report(file, out) as results:
        assert states(rows(results)) == {"scored"}, "no --retry-failed is needed: the file is another one"
        assert results.info["warnings"] == []


def test_transparent_images_are_counted_and_named_once(images: Path, sweep_file: Write, tmp_path: Path) -> None:
    for index in range(2):
        Image.new("RGBA", (4, 4), (100, index, 0, 0)).save(images / "0" / "samples" / f"{index:04d}.png")
    file, out = sweep_file(SWEEP), tmp_path / "r" / "x"
    with run_without_report(file, out) as results:
        assert [counts.transparent for counts in results.data.suspect_images] == [2]
        lines = *results.info["warnings"], *results.data.image_warnings
    warned = [line for line in lines if "transparent" in line]
    assert len(warned) == 1
    assert warned[0].startswith("mine: 2 transparent images, scored without their transparency")


@pytest.mark.usefixtures("images")
def test_a_dry_run_says_what_is_missing(sweep_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images" / "3" / "samples" / "0001.png").unlink()
    assert sweep.main([str(sweep_file(SWEEP)), "--dry-run", "--store", str(tmp_path / "store")]) == 0
    assert "warning: mine: 1 of 20 images missing: 3/samples/0001.png" in capsys.readouterr().out


def test_prompts_with_unequal_numbers_of_images_are_complete_where_that_is_said(
    images: Path, sweep_file: Write, tmp_path: Path
) -> None:
    """Three prompts have one image; each of the others two. Of the other arm, an image is missing."""
    shutil.copytree(images, tmp_path / "others")
    for item in (2, 3, 8):
        (images / str(item) / "samples" / "0001.png").unlink()
    others = "models: {mine: {name: folder, path: images, as_found: true}, others: {name: folder, path: others}}"
    both = SWEEP.replace("models: {mine: {name: folder, path: images}}", others)
    file = sweep_file(both + "  - {name: others, model: others, variant: single_pass}\n")
    file.write_text(file.read_text().replace("{name: mine, variant", "{name: mine, model: mine, variant"))
    with run_without_report(file, tmp_path / "r" / "x") as results:
        table, (analysis,) = results.data.samples, analyse(results.data).values()
        assert table.groupby("arm").size().to_dict() == {"mine": 17, "others": 20}
        assert set(table["state"]) == {"scored"}
        assert not any("missing" in line for line in results.info["warnings"])
        (contrast,) = analysis.contrasts
        assert contrast.difference.samples == 17
        assert contrast.possible == pytest.approx((contrast.difference.value,) * 2), "nothing is missing"
        (summary,) = summarize(results.data)
    assert [summary.rows[arm]["coverage"] for arm in ("mine", "others")] == ["17/17", "20/20"]
    plan = eh.plan(file)
    (tmp_path / "plan.json").write_text(plan_text(plan))
    again = read_plan(tmp_path / "plan.json")
    assert [(sample.job, sample.seed_index) for sample in again.samples] == [
        (sample.job, sample.seed_index) for sample in plan.samples
    ]


@pytest.mark.parametrize(
    ("gone", "missing"), [("3/samples/0000.png", 1), ("3/samples/*.png", 1), ("3/samples/0001.png", 0)]
)
def test_a_gap_and_a_prompt_without_images_are_missing_still(
    images: Path, sweep_file: Write, tmp_path: Path, gone: str, missing: int
) -> None:
    for path in images.glob(gone):
        path.unlink()
    file = sweep_file(SWEEP.replace("path: images}", "path: images, as_found: true}"))
    with run_without_report(file, tmp_path / "r" / "x") as results:
        assert (results.data.samples["state"] == "failed").sum() == missing


@pytest.mark.usefixtures("images")
def test_images_cannot_think(sweep_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = sweep_file(SWEEP.replace("single_pass", "process"))
    assert sweep.main([str(file)]) == 2
    error = capsys.readouterr().err
    assert "arm 'mine': variant 'process' needs a model that reads and writes; 'folder' only draws" in error


@pytest.mark.usefixtures("images")
def test_a_page_warns(sweep_file: Write, tmp_path: Path) -> None:
    (tmp_path / "images" / "3" / "samples" / "0001.png").unlink()
    out = tmp_path / "r" / "x"
    assert sweep.main([str(sweep_file(SWEEP)), "--out", str(out), "--quiet"]) == ExitCode.INCOMPLETE
    assert "<li>mine: 1 of 20 images missing: 3/samples/0001.png</li>" in (out / "index.html").read_text()


def test_files_of_several_images_are_drawn_from_in_child_processes(sweep_file: Write, tmp_path: Path) -> None:
    for item in range(10):
        sheet = Image.new("RGB", (4, 8), (100 + 10 * item, 0, 0))
        sheet.paste((100 + 10 * item, 1, 0), (0, 4, 4, 8))
        (tmp_path / "images").mkdir(exist_ok=True)
        sheet.save(tmp_path / "images" / f"item-{item:03d}.png")
    grid = SWEEP.replace("path: images", "path: images, pattern: 'item-{item}.png', grid: 1x2")
    with run_without_report(sweep_file(grid), tmp_path / "r" / "x") as results:
        assert {row["state"] for row in rows(results)} == {"scored"}
        assert results.info["images"]["mine"] | {"digest": ""} == {"files": 20, "wanted": 20, "digest": ""}
        files = list((tmp_path / "r" / "store").rglob("*.png"))
        assert len({row["image"] for row in rows(results)}) == 20
    images = [Image.open(file) for file in files]
    assert {image.size for image in images} == {(4, 4)}
    assert len({image.getpixel((0, 0)) for image in images}) == 20
