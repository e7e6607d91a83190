"""The page of trajectories that were chosen by rule: what it shows is what the rules chose."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from page_outline import Outline
from refined_samples import refined_results
from report_samples import INJECTION

from evalharness.analysis.examples.rules import RULES
from evalharness.analysis.examples.search import choose
from evalharness.report import build
from evalharness.report.report_images import ReportImages
from evalharness.report.trajectories_page import PAGE, write_examples
from evalharness.store.results import Results


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return refined_results(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def folder(chosen: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(chosen, tmp_path_factory.mktemp("reports") / "chosen").parent


@pytest.fixture(scope="module")
def page(folder: Path) -> Outline:
    return Outline((folder / PAGE).read_text(encoding="utf-8"))


def test_every_rule_stands_there_with_its_words_and_its_example(chosen: Results, page: Outline) -> None:
    (part,) = choose(chosen)
    examples = {rule.name: example for rule, example in part.examples}
    assert examples["fixed-instruction-state"] and examples["broke"] and examples["fixed-state-prompt"] is None
    text = " ".join(page.text.split())
    assert all(rule.title in text for rule in RULES)
    assert all((rule.definition in text) == (examples[rule.name] is not None) for rule in RULES)
    assert text.count("None was found: ") == 1
    assert "process max_iterations=6" in text
    for example in filter(None, examples.values()):
        assert f"refinement number {example.number} of those looked at" in text
        assert str(example.sample.row["prompt"]) in text


def test_every_step_is_shown_with_text_picture_boxes_and_verdict(chosen: Results, folder: Path, page: Outline) -> None:
    (part,) = choose(chosen)
    steps = [step for _, example in part.examples if example for step in example.sample.steps]
    texts = re.findall(r'<p class="text">(.*?)</p>', (folder / PAGE).read_text(encoding="utf-8"), re.DOTALL)
    assert len(texts) == sum(bool(step["text"]) for step in steps)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    drawn = [str(step["image"]) for step in steps if step["image"]]
    assert [picture["src"] for picture in pictures] == [f"images/{digest}.webp" for digest in drawn]
    assert all((folder / str(picture["src"])).is_file() and picture["alt"] for picture in pictures)
    assert (pictures[0]["width"], pictures[0]["height"]) == ("96", "96")
    assert "sketch, iteration 1; the scorer sees: " in str(pictures[0]["alt"])
    lookup = chosen.judged
    assert lookup is not None
    verdicts = re.findall(r"✓ right|✗ wrong", page.text)
    judgements = [lookup("geneval", "0", [digest])[digest] for digest in drawn]
    assert verdicts == ["✓ right" if judged.right else "✗ wrong" for judged in judgements]
    boxes = [attributes for tag, attributes in page.tags if tag == "rect"]
    assert len(boxes) == 2 * len(pictures)
    assert (boxes[0]["x"], boxes[0]["width"]) == ("24.0", "48.0")


def test_the_refinement_that_was_chosen_is_marked(chosen: Results, folder: Path) -> None:
    (part,) = choose(chosen)
    text = (folder / PAGE).read_text(encoding="utf-8")
    examples = {rule.name: example for rule, example in part.examples if example is not None}
    assert examples
    for name, example in examples.items():
        story = text.partition(f'id="arm-1-{name}"')[2].partition("</article>")[0]
        marked = re.findall(r"noted\">.*?images/([0-9a-f]+)\.webp", story, re.DOTALL)
        assert marked == [example.case.refinement.before, example.case.refinement.after]
        assert re.findall(r"(before|after) the refinement", story) == ["before", "after"]


def test_it_is_sound_and_nothing_in_it_runs(folder: Path, page: Outline) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not any(tag == "script" or "onerror" in attributes or "style" in attributes for tag, attributes in page.tags)
    (policy,) = [str(a["content"]) for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "script" not in policy
    assert INJECTION in page.text
    assert INJECTION not in (folder / PAGE).read_text(encoding="utf-8")


def test_the_report_leads_to_each_of_them(folder: Path, page: Outline) -> None:
    index = Outline((folder / "index.html").read_text(encoding="utf-8"))
    links = [str(a["href"]) for tag, a in index.tags if tag == "a" and str(a.get("href", "")).startswith(PAGE)]
    ids = {str(attributes.get("id")) for _, attributes in page.tags}
    assert links[0] == PAGE
    assert len(links) == 1 + 2 and {link.partition("#")[2] for link in links[1:]} <= ids
    back = [str(a["href"]) for tag, a in page.tags if tag == "a" and str(a.get("href", "")).startswith("index.html#")]
    assert len(back) == 2 and all("sample=geneval%2F" in link for link in back)


def test_a_run_without_process_has_no_such_page(chosen: Results, tmp_path: Path) -> None:
    arms = chosen.arms[chosen.arms["variant"] != "process"]
    run = replace(chosen, arms=arms, samples=chosen.samples[chosen.samples["arm"].isin(arms["arm"])])
    with ReportImages(run, tmp_path, tmp_path) as images:
        assert write_examples(run, images, tmp_path, lambda *case: True) == []
    assert not (tmp_path / PAGE).exists()


def test_a_file_that_is_missing_and_a_picture_that_nobody_judged(chosen: Results, tmp_path: Path) -> None:
    run = replace(chosen, image_path=lambda digest: tmp_path / "nowhere.png", judged=lambda benchmark, item, images: {})
    (tmp_path / "report").mkdir()
    with ReportImages(run, tmp_path / "report", tmp_path) as images:
        (part,) = write_examples(run, images, tmp_path / "report", lambda *case: False)
    text = (tmp_path / "report" / PAGE).read_text(encoding="utf-8")
    assert "sketch, iteration 1: its file is missing" in text
    assert "not judged" in text
    assert [example.rule.name for example in part.found] == ["claimed-instruction-state"]
    assert "of 0 both pictures were judged" in part.searched
    assert "in the gallery" not in text  # which does not show it
