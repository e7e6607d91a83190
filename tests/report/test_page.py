"""The page: parses, escapes, stands alone, and says what the numbers say."""

from __future__ import annotations

import base64
import doctest
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from page_outline import Outline, read_sheet
from PIL import Image, PngImagePlugin
from report_samples import CATEGORIES, INJECTION, sample_results

from evalharness.analysis import Trend, TrendStep
from evalharness.analysis.stats import Estimate
from evalharness.report import (
    build,
    claims,
    data_sheets,
    figures,
    formatting,
    overview,
    page_tables,
    provenance,
    results_json,
)
from evalharness.report.figures import style
from evalharness.report.report_images import ReportImages, SheetImages
from evalharness.report.summary import summarize
from evalharness.store.failures import StoredFailure
from evalharness.store.results import Results


@pytest.fixture(scope="module")
def outline(report: Path) -> Outline:
    return Outline((report / "index.html").read_text(encoding="utf-8"))


def test_the_page_is_well_formed(outline: Outline) -> None:
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_reference_is_a_file_of_the_folder(report: Path, outline: Outline) -> None:
    references = [v for _, a in outline.tags for n, v in a.items() if n in ("src", "href", "srcset") and v]
    assert len(references) > 10
    names = {a.get("id") for _, a in outline.tags}
    filters = {attributes.get("name") for tag, attributes in outline.tags if tag in ("select", "input")}
    data = read_sheet(report / "data/samples.css")
    rows = [dict(zip(data["fields"], row, strict=True)) for row in data["samples"]]
    items = [data["items"][row["item"]] for row in rows]
    samples = {
        f"{item[0]}/{item[1]}/{row['seed']}/{data['arms'][row['arm']]}" for row, item in zip(rows, items, strict=True)
    }
    for reference in references:
        target = reference.removeprefix("#")
        if "=" in reference and reference[0] == "#":  # a view of the gallery
            view = dict(parse_qsl(target, strict_parsing=True))
            assert view.pop("sample", None) in {None, *samples}
            assert set(view) <= filters
        else:
            assert target in names if reference[0] == "#" else (report / target.partition("#")[0]).is_file()


def test_nothing_is_fetched_from_elsewhere(report: Path) -> None:
    paths = list(report.rglob("*"))
    assert {path.suffix for path in paths} >= {".html", ".css", ".json", ".csv", ".svg"}
    for path in paths:
        if path.suffix in {".html", ".css", ".json", ".md", ".csv"}:
            assert not re.search(r"https?://|//cdn|@import|url\(", path.read_text(encoding="utf-8")), path
        if path.suffix == ".svg":
            addresses = set(re.findall(r"https?://[^\s\"'<>]+", path.read_text(encoding="utf-8")))
            assert all(address.startswith("http://www.w3.org/") for address in addresses), path


def test_injected_markup_stays_text(report: Path, outline: Outline) -> None:
    assert INJECTION in outline.text
    assert INJECTION not in (report / "index.html").read_text(encoding="utf-8")
    assert not any(attributes.get("onerror") for _, attributes in outline.tags)
    data = read_sheet(report / "data/samples.css")
    assert any(INJECTION in item[3] for item in data["items"])


def test_one_script_that_the_policy_knows_and_that_writes_no_markup(report: Path, outline: Outline) -> None:
    assert [attributes for tag, attributes in outline.tags if tag == "script"] == [{}]
    (script,) = re.findall("<script>(.*?)</script>", (report / "index.html").read_text(encoding="utf-8"), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for _, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert f"script-src 'sha256-{digest}';" in str(policy)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)
    assert not list(report.rglob("*.js"))


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
    table = summarize(results)[0]
    claim = claims.claims(results, table)[0]
    row = table.wide.set_index("arm").loc["process max_iterations=6"]
    assert claim.told_apart
    assert str(claim) == (
        f"process max_iterations=6 is {100 * row['difference']:.1f} points above single-pass, "
        f"95 % interval {100 * row['difference_low']:.1f} to {100 * row['difference_high']:.1f}, "
        "paired over 36 prompts × 2 images"
    )


def test_what_correction_takes_away_is_no_claim(results: Results) -> None:
    table = summarize(results)[0]
    contrast = table.analysis.contrast("process max_iterations=6")
    assert contrast is not None
    assert contrast.significant
    weaker = replace(contrast, p=0.03, p_adjusted=0.09, family=7)
    assert not weaker.significant
    changed = replace(table, analysis=replace(table.analysis, contrasts=(weaker,)))
    (claim,) = claims.claims(results, changed)
    assert "cannot be told apart from single-pass, difference " in str(claim)
    assert str(claim).endswith("; p = 0.030, corrected for 7 tests 0.090")


def test_declared_contrasts_and_trends_are_claimed_first(results: Results) -> None:
    table = summarize(results)[0]
    second = table.analysis.contrast("process max_iterations=2")
    assert second is not None
    total, slope = Estimate(0.024, 0.008, 0.04, 0.008, 36, 72), Estimate(0.012, 0.004, 0.02, 0.004, 36, 72)
    steps = TrendStep(1, 2, Estimate(0.02, 0.01, 0.03), 0.01, 0.02), TrendStep(2, 3, Estimate(0.004), 0.4, 0.4)
    trend = Trend(
        benchmark="geneval",
        arms=tuple(f"process max_iterations={cap}" for cap in (1, 2, 3)),
        over="max_iterations",
        values=(1.0, 2.0, 3.0),
        total=total,
        slope=slope,
        p=0.001,
        p_adjusted=0.002,
        family=2,
        steps=steps,
        plateau=2.0,
        possible=(0.024, 0.024),
    )
    declared = (replace(second, declared=True, preregistered=True), table.analysis.contrasts[-1])
    changed = replace(table, analysis=replace(table.analysis, contrasts=declared, trends=(trend,)))
    texts = [str(claim) for claim in claims.claims(results, changed)]
    assert [text.split(" ", 2)[1] for text in texts] == ["max_iterations=2", "max_iterations=6", "overall"]
    assert texts[-1] == (
        "the overall score rises by 2.4 points in total as max_iterations goes from 1 to 3, 95 % interval 0.8 to 4.0, "
        "over 3 arms and 36 prompts; corrected p of the slope = 0.002; step by step 2: +2.0, 3: +0.4; from "
        "max_iterations = 2 on no arm can be told apart from the last"
    )
    late = replace(declared[0], preregistered=False), replace(trend, preregistered=False)
    changed = replace(table, analysis=replace(table.analysis, contrasts=late[:1], trends=late[1:]))
    for text in map(str, claims.claims(results, changed)):
        assert text.endswith("; declared after the run, so tested with the exploratory comparisons")


def test_no_bold_claim_where_what_is_missing_could_turn_it(results: Results) -> None:
    table = summarize(results)[0]
    contrast = table.analysis.contrast("process max_iterations=6")
    assert contrast is not None
    open_sign = replace(contrast, possible=(-0.02, 0.9))
    changed = replace(table, analysis=replace(table.analysis, contrasts=(open_sign,)))
    (claim,) = claims.claims(results, changed)
    assert not claim.told_apart
    assert claim.relation == "cannot yet be told apart from"
    assert "with what is missing it lies between −2.0 and 90.0, so its sign is open" in str(claim)
    assert claim.brief.endswith("points; with what is missing −2.0 to 90.0"), "the first screen has no evidence"


def test_arms_that_draw_the_same_say_how_many_images_differ(results: Results) -> None:
    table = summarize(results)[0]
    contrast = table.analysis.contrast("text-cot")
    assert contrast is not None
    same = replace(contrast, declared=True, differing_images=1, flips=replace(contrast.flips, better=0, worse=0))
    changed = replace(table, analysis=replace(table.analysis, contrasts=(same,)))
    text = str(claims.claims(results, changed)[0])
    assert f"the images of 1 of {contrast.difference.samples:,} pairs differ, which changes no score" in text


def test_arms_alike_cannot_be_told_apart(tmp_path: Path) -> None:
    results = sample_results(tmp_path, prompts=24, missing=False)
    same = results.samples.set_index(["arm", "item"])["score"]
    results.samples.loc[results.samples["arm"] == "text-cot", "score"] = same["single-pass"].to_numpy()
    claim = claims.claims(results, summarize(results)[0])[1]
    assert (claim.arm, claim.told_apart) == ("text-cot", False)
    assert "cannot be told apart from single-pass, difference 0.0 points" in str(claim)


def test_warnings_name_what_is_missing(results: Results) -> None:
    text = " ".join(overview.warnings(results, summarize(results)[0]))
    assert "36 of 553" in text
    assert "process max_iterations=5 (69/72)" in text
    assert "failed × 2: the model wrote no plan" in text


def test_samples_reach_the_gallery(report: Path, results: Results) -> None:
    data = read_sheet(report / "data/samples.css")
    assert len(data["samples"]) == len(results.samples)
    position = {name: place for place, name in enumerate(data["fields"])}
    expected = results.samples.set_index(["benchmark", "item", "seed_index", "arm"])
    for index in range(0, len(data["samples"]), 97):
        row = data["samples"][index]
        benchmark, item, _, prompt = data["items"][row[position["item"]]]
        arm = data["arms"][row[position["arm"]]]
        sample = expected.loc[(benchmark, item, row[position["seed"]], arm)]
        assert prompt == sample["prompt"]
        assert data["states"][row[position["state"]]] == sample["state"]
        part = read_sheet(report / f"data/part-{row[position['item']] // data['itemsPerPart']}.css")
        trajectory, score = part["samples"][str(index)]
        if sample["state"] == "scored":
            assert row[position["score"]] == sample["score"]
            assert data["images"][row[position["image"]]] == sample["image"]
            assert part["details"][score] == results.details(sample["score_key"])
            texts = [step["text"] for step in part["trajectories"][trajectory]]
            assert texts == [step["text"] for step in results.steps(sample["trajectory"])]


def test_only_images_in_use_are_there_with_the_pixels_of_the_store(report: Path, results: Results) -> None:
    sheets = [read_sheet(path) for path in (report / "data").glob("*.css")]
    paths = list((report / "images").iterdir())
    assert {path.stem for path in paths} == {digest for sheet in sheets for digest in sheet["images"]}
    assert not any(sheet["png"] for sheet in sheets)
    for path in paths:
        original = results.image_path(path.stem)
        assert hashlib.sha256(original.read_bytes()).hexdigest() == path.stem
        assert path.suffix == ".webp" and path.stat().st_size < original.stat().st_size
        with Image.open(path) as shown, Image.open(original) as stored:
            assert shown.convert("RGB").tobytes() == stored.tobytes()


def test_a_missing_image_is_a_warning(tmp_path: Path) -> None:
    results = sample_results(tmp_path / "images", prompts=6)
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


def test_results_json_counts_failures_by_cause(results: Results) -> None:
    broken = StoredFailure("CUDA error", "worker", "RuntimeError", host="node", device="GPU 1")
    failures = {0: StoredFailure("r", exception="ValueError"), 1: broken, 2: replace(broken, attempt=3)}
    first, second = results_json.failures(replace(results, failures=failures))
    assert (first["kind"], first["device"], first["samples"], first["attempt"]) == ("worker", "GPU 1", 2, 3)
    assert (second["exception"], second["samples"], second["attempt"]) == ("ValueError", 1, 1)


def test_figures_tell_their_numbers_in_words(results: Results, tmp_path: Path) -> None:
    tables = summarize(results)
    leads = {table.benchmark: claims.lead_arms(results, table) for table in tables}
    drawings = figures.draw_figures(results.arms, tables, leads, [], tmp_path)
    assert {drawing.stem for drawing in drawings} == {
        f"{benchmark}-{kind}"
        for benchmark in ("geneval", "shapes")
        for kind in ("iterations", "cost", "differences", "flips")
    }
    for drawing in drawings:
        assert "process max_iterations=6" in drawing.alt
        light, dark = (tmp_path / f"{drawing.stem}{end}.svg" for end in ("", "-dark"))
        assert 5000 < light.stat().st_size < 50_000
        assert style.INK in light.read_text()
        assert style.INK not in dark.read_text()
        assert not (tmp_path / f"{drawing.stem}.png").exists()


def test_no_figure_without_its_data(tmp_path: Path) -> None:
    results = sample_results(tmp_path / "images", prompts=12, missing=False)
    samples = results.samples[results.samples["arm"] == "single-pass"]
    alone = Results(results.info, results.arms, samples, results.steps, results.details, results.image_path)
    assert figures.draw_figures(alone.arms, summarize(alone), {"geneval": []}, [], tmp_path / "figures") == []
    text = build(alone, tmp_path / "report").read_text(encoding="utf-8")
    assert "<figure>" not in text


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = sample_results(tmp_path / "images", prompts=6)
    first, second = build(results, tmp_path / "a").parent, build(results, tmp_path / "b").parent
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_a_sheet_brings_back_any_text(tmp_path: Path) -> None:
    text = "".join(chr(code) for code in (*range(32, 127), 0, 9, 10, 13, 0x2028, 0xE9, 0x1F600)) + INJECTION
    data = {"text": text * 9000, "none": [float("nan"), float("inf")], "number": np.float64(0.5)}
    data_sheets.write_sheet(tmp_path, "part-0", data)
    path = tmp_path / "part-0.css"
    assert read_sheet(path) == {"text": text * 9000, "none": [None, None], "number": 0.5}
    assert path.read_text().count("--data-") > 1
    assert "\n" not in path.read_text().rstrip("\n")


@pytest.fixture
def stored(results: Results, tmp_path: Path) -> tuple[Results, list[str]]:
    """Images of a store: large, small, large but damaged, small with a gamma value."""
    store = tmp_path / "store"
    store.mkdir()
    sizes = {"a" * 64: (1024, 640), "b" * 64: (96, 96), "c" * 64: (600, 600), "d" * 64: (96, 96)}
    for digest, size in sizes.items():
        Image.new("RGB", size, "red").save(store / f"{digest}.png")
    damaged = store / f"{'c' * 64}.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", (100_000).to_bytes(4, "big"))
    Image.new("RGB", (96, 96), "red").save(store / f"{'d' * 64}.png", pnginfo=gamma)
    return replace(results, image_path=lambda digest: store / f"{digest}.png"), list(sizes)


def test_large_images_have_thumbnails_that_a_rebuild_keeps(stored: tuple[Results, list[str]], tmp_path: Path) -> None:
    run, digests = stored
    previous, rebuilt = tmp_path / "previous", tmp_path / "rebuilt"
    for folder in (previous, rebuilt):
        with ReportImages(run, folder, previous) as images:
            sheet = SheetImages(images)
            assert [sheet.index(digest) for digest in (*digests, "e" * 64, None)] == [0, 1, 2, 3, None, None]
            assert sheet.data()["thumbs"] == [0]
    for name in (f"thumbs/{'a' * 64}.webp", f"images/{'b' * 64}.webp"):
        assert (previous / name).samefile(rebuilt / name)
    with Image.open(previous / "thumbs" / f"{'a' * 64}.webp") as image:
        assert image.size == (384, 240)


def test_no_file_of_a_report_is_a_file_of_the_store(stored: tuple[Results, list[str]], tmp_path: Path) -> None:
    run, digests = stored
    with ReportImages(run, tmp_path / "report", tmp_path / "none") as images:
        sources = {digest: images.source(digest) for digest in digests if images.add(digest) is not None}
    for digest, source in sources.items():
        assert not (tmp_path / "report" / source).samefile(run.image_path(digest))


def test_what_webp_cannot_show_alike_stays_as_it_is(stored: tuple[Results, list[str]], tmp_path: Path) -> None:
    run, digests = stored
    with ReportImages(run, tmp_path / "full", tmp_path) as images:
        sheet = SheetImages(images)
        for digest in digests:
            sheet.index(digest)
        assert sheet.data()["png"] == [0, 2, 3]  # a large one is not worth the time
    with ReportImages(run, tmp_path / "small", tmp_path, small=True) as images:
        sheet = SheetImages(images)
        for digest in digests:
            sheet.index(digest)
        assert sheet.data()["png"] == [2, 3]
        assert [images.source(digests[0]), images.size(digests[0])] == [f"images/{'a' * 64}.webp", (1024, 640)]
    for digest in digests[2:]:
        assert (tmp_path / "small" / "images" / f"{digest}.png").read_bytes() == run.image_path(digest).read_bytes()


def test_provenance_counts_shared_trajectories_once(results: Results, outline: Outline) -> None:
    facts = dict(provenance.provenance(results).facts)
    steps = 0
    for key in results.samples["trajectory"].dropna().unique():
        steps += sum(step["evaluations"] for step in results.steps(key))
    assert f"{steps:,} sampler steps" in facts["Drawing"]
    for words in ("5c48e081" * 8, "ab12cd34" * 8, "0123456789abcdef0123456789abcdef01234567", "cpu: 2 cores"):
        assert words in outline.text


def test_quoted_rows_stand_apart(results: Results) -> None:
    row = {"benchmark": "geneval", "name": "Other (2024)", "score": 0.55, "low": None, "high": None, "note": ""}
    row |= {"categories": {"counting": 0.25}, "source": "arXiv 1.2"}
    table = summarize(replace(results, info={**results.info, "literature": [row]}))[0]
    for grid, cells in ((page_tables.headline(table, {}), 8), (page_tables.by_category(table, CATEGORIES), 8)):
        (quoted,) = grid.quoted
        assert (quoted.cells[0].note, quoted.cells[1].text, len(quoted.cells)) == (
            "quoted from arXiv 1.2",
            "55.0",
            cells,
        )
        assert all("quoted" not in row.cells[0].note for row in grid.rows)
    assert [cell.text for cell in quoted.cells[2:6]] == ["–", "–", "25.0", "–"]
    assert any("quoted rows" in line for line in overview.warnings(results, table))


@pytest.mark.parametrize("module", [data_sheets, formatting])
def test_examples(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def test_the_facts_name_the_precision_of_each_network(results: Results) -> None:
    networks = {
        "detector": {"name": "d", "dtype": "bfloat16"},
        "colors": {"name": "c", "precision": "float16 autocast"},
    }
    info = results.info | {
        "benchmarks": {"geneval": results.info["benchmarks"]["geneval"] | {"scorer": {"protocol": "1", **networks}}}
    }
    told, untold = (
        dict(overview.benchmark_facts(one, summarize(results)[0])) for one in (replace(results, info=info), results)
    )
    assert told["Precision"] == "d bfloat16, c float16 autocast"
    assert "Precision" not in untold
