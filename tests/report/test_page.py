"""The page: parses, escapes, stands alone, and says what the numbers say."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evalharness.report import build, figures, gallery, story
from evalharness.report.tables import build_tables
from evalharness.results import Results

from .fake import INJECTION, fake_results

VOID = {"meta", "link", "img", "input", "br", "rect"}


class Outline(HTMLParser):
    """Collects what is in a page and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def outline(report: Path) -> Outline:
    return Outline((report / "index.html").read_text(encoding="utf-8"))


def read_script(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text[text.index("(") + 1 : text.rindex(")")])


def test_the_page_is_well_formed(outline: Outline) -> None:
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_reference_is_a_file_of_the_folder(report: Path, outline: Outline) -> None:
    references = [value for _, a in outline.tags for name, value in a.items() if name in ("src", "href") and value]
    assert len(references) > 10
    for reference in references:
        target = reference.removeprefix("#")
        assert target in {a.get("id") for _, a in outline.tags} if reference[0] == "#" else (report / target).is_file()


def test_nothing_is_fetched_from_elsewhere(report: Path) -> None:
    for path in report.rglob("*"):
        if path.suffix in {".html", ".css", ".js", ".json", ".md", ".csv"}:
            assert not re.search(r"https?://|//cdn|@import|url\(", path.read_text(encoding="utf-8")), path
        if path.suffix == ".svg":
            addresses = set(re.findall(r"https?://[^\s\"'<>]+", path.read_text(encoding="utf-8")))
            assert all(address.startswith("http://www.w3.org/") for address in addresses), path


def test_injected_markup_stays_text(report: Path, outline: Outline) -> None:
    assert INJECTION in outline.text
    assert INJECTION not in (report / "index.html").read_text(encoding="utf-8")
    assert not any(attributes.get("onerror") for _, attributes in outline.tags)
    for path in (report / "data").glob("*.js"):
        assert "<" not in path.read_text(encoding="utf-8")
    data = read_script(report / "data/samples.js")
    assert any(INJECTION in item[3] for item in data["items"])


def test_scripts_never_write_markup(report: Path) -> None:
    for path in (report / "assets").glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", path.read_text())


def test_the_first_screen_tells_what_was_run(outline: Outline) -> None:
    text = " ".join(outline.text.split())
    for words in (
        "36 of 553 prompts, stratified subset, seed 0; 2 images per prompt",
        "original, SHA-256 5c48e081",
        "mask2former",
        "samples scored, 2 failed",
        "paired over 36 prompts × 2 images",
    ):
        assert words in text


def test_a_claim_says_what_the_table_says(results: Results) -> None:
    table = build_tables(results)[0]
    claim = story.claims(results, table)[0]
    row = table.wide.set_index("arm").loc["process max_iterations=6"]
    assert claim.told_apart
    assert str(claim) == (
        f"process max_iterations=6 is {100 * row['difference']:.1f} points above single-pass "
        f"(95 % interval {100 * row['difference_low']:.1f} to {100 * row['difference_high']:.1f}, "
        "paired over 36 prompts × 2 images)"
    )


def test_arms_alike_cannot_be_told_apart(tmp_path: Path) -> None:
    results = fake_results(tmp_path, prompts=24, missing=False)
    same = results.samples.set_index(["arm", "item"])["score"]
    results.samples.loc[results.samples["arm"] == "text-cot", "score"] = same["single-pass"].to_numpy()
    claim = story.claims(results, build_tables(results)[0])[1]
    assert (claim.arm, claim.told_apart) == ("text-cot", False)
    assert "cannot be told apart from single-pass (difference 0.0 points" in str(claim)


def test_warnings_name_what_is_missing(results: Results) -> None:
    found = " ".join(story.warnings(results, build_tables(results)[0]))
    assert "36 of 553" in found
    assert "process max_iterations=5 (69/72)" in found
    assert "failed × 2: the model wrote no plan" in found


def test_samples_reach_the_gallery(report: Path, results: Results) -> None:
    data = read_script(report / "data/samples.js")
    assert len(data["samples"]) == len(results.samples)
    position = {name: place for place, name in enumerate(data["fields"])}
    expected = results.samples.set_index(["benchmark", "item", "seed_index", "arm"])
    for index in range(0, len(data["samples"]), 97):
        row = data["samples"][index]
        benchmark, item, _, prompt = data["items"][row[position["item"]]]
        arm = data["arms"][row[position["arm"]]]["arm"]
        sample = expected.loc[(benchmark, item, row[position["seed"]], arm)]
        assert prompt == sample["prompt"]
        assert data["states"][row[position["state"]]] == sample["state"]
        part = read_script(report / f"data/part-{row[position['item']] // data['itemsPerPart']}.js")[1]
        trajectory, score = part["samples"][str(index)]
        if sample["state"] == "scored":
            assert row[position["score"]] == sample["score"]
            assert data["images"][row[position["image"]]] == sample["image"]
            assert part["details"][score] == results.details(sample["score_key"])
            texts = [step["text"] for step in part["trajectories"][trajectory]]
            assert texts == [step["text"] for step in results.steps(sample["trajectory"])]


def test_only_images_in_use_are_there_and_whole(report: Path) -> None:
    data = read_script(report / "data/samples.js")
    paths = list((report / "images").iterdir())
    assert {path.stem for path in paths} == set(data["images"])
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in paths)


def test_a_missing_image_is_a_warning(tmp_path: Path) -> None:
    results = fake_results(tmp_path / "images", prompts=6)
    next((tmp_path / "images").iterdir()).unlink()
    text = build(results, tmp_path / "report").read_text(encoding="utf-8")
    assert "1 image file is missing" in text


def test_results_json_is_strict(report: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    data = json.loads((report / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    rows = {row["arm"]: row for row in data["summary"]["geneval"]}
    assert rows["process max_iterations=5"]["overall"] is None
    assert 0 < rows["single-pass"]["overall"] < 1
    assert data["info"]["name"] == "iters"


def test_figures_tell_their_numbers_in_words(results: Results, tmp_path: Path) -> None:
    drawings = figures.draw_figures(results.arms, build_tables(results), tmp_path)
    assert {drawing.stem for drawing in drawings} == {
        f"{benchmark}-{kind}" for benchmark in ("geneval", "shapes") for kind in ("iterations", "cost")
    }
    for drawing in drawings:
        assert "process max_iterations=6: 0." in drawing.alt
        assert (tmp_path / f"{drawing.stem}.svg").stat().st_size > 5000
        assert (tmp_path / f"{drawing.stem}.png").read_bytes().startswith(b"\x89PNG")


def test_no_figure_without_its_data(tmp_path: Path) -> None:
    results = fake_results(tmp_path / "images", prompts=12, missing=False)
    one = results.samples[results.samples["arm"] == "single-pass"]
    alone = Results(results.info, results.arms, one, results.steps, results.details, results.image_path)
    assert figures.draw_figures(alone.arms, build_tables(alone), tmp_path / "figures") == []
    text = build(alone, tmp_path / "report").read_text(encoding="utf-8")
    assert "<figure>" not in text


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = fake_results(tmp_path / "images", prompts=6)
    first, second = build(results, tmp_path / "a").parent, build(results, tmp_path / "b").parent
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_script_escapes_and_has_no_nan() -> None:
    assert gallery.script("f", {"a": float("nan"), "b": "</script>"}) == 'f({"a":null,"b":"\\u003c/script>"});\n'


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to open the page with")
def test_a_browser_shows_cards_and_a_trajectory(report: Path, tmp_path: Path) -> None:
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += f" --disable-component-update --disable-sync --virtual-time-budget=4000 --user-data-dir={tmp_path}"
    address = (report / "index.html").as_uri() + "#arm=*&sample=geneval%2F00007%2F0%2Fprocess+max_iterations%3D2"
    command = ["chromium", *flags.split(), "--dump-dom", address]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>iters – evaluation report</title>" in dom
    assert len(re.findall('class="picture( none)?"', dom)) == 60
    assert re.search(r'<dialog[^>]* open=""', dom)
    assert len(re.findall('class="step"', dom)) == 7
    assert re.search(r'<svg class="overlay".*brown kite 0\.97', dom)
