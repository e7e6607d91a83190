"""The agreement of people with the scorer, against counts by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import sample_results

from evalharness.report.people import people
from evalharness.report.summary import Summary, summarize
from evalharness.store.annotations import Annotation
from evalharness.store.results import Results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Summary]:
    results = sample_results(tmp_path_factory.mktemp("images"), prompts=6, missing=False)
    return results, summarize(results)[0]


def said(results: Results, disagreed: int) -> list[Annotation]:
    """What a person says of the six images of an arm, of which it finds some judged wrongly."""
    rows = results.samples[results.samples["arm"] == "single-pass"]
    return [
        Annotation("geneval", row.item, row.image, "disagree" if place < disagreed else "agree", float(row.score))
        for place, row in enumerate(rows.itertuples())
    ]


def test_the_share_is_that_of_all_verdicts_and_by_category(run: tuple[Results, Summary]) -> None:
    results, summary = run
    found = people(replace(results, annotations=said(results, 2)), summary)
    assert found is not None
    assert found.sentence.startswith("One person agrees with the scorer on 66.7 [")
    assert "of 6 verdicts on 6 prompts" in found.sentence
    cells = [[cell.text for cell in row.cells][:3] for row in found.table.rows]
    assert cells[0] == ["all", "6", "66.7"]
    assert [row[2] for row in cells[1:]] == ["0.0", "0.0", "100.0", "100.0", "100.0", "100.0"]
    scores = [annotation.score for annotation in said(results, 2)]
    people_right = [annotation.right for annotation in said(results, 2)]
    assert found.table.rows[0].cells[3].value == pytest.approx(sum(scores) / 6)
    assert found.table.rows[0].cells[4].value == pytest.approx(sum(people_right) / 6)


def test_another_scorer_is_held_to_what_people_found(run: tuple[Results, Summary]) -> None:
    results, summary = run
    turned = results.samples.assign(score=1 - results.samples["score"])
    found = people(replace(results, samples=turned, annotations=said(results, 2)), summary)
    assert found is not None
    assert found.table.rows[0].cells[2].text == "33.3"


def test_without_words_on_its_images_there_is_nothing(run: tuple[Results, Summary]) -> None:
    results, summary = run
    other = [replace(annotation, image="0" * 64) for annotation in said(results, 0)]
    assert people(results, summary) is None
    assert people(replace(results, annotations=other), summary) is None


def test_it_stands_beside_the_score(run: tuple[Results, Summary], tmp_path: Path) -> None:
    from evalharness.report import build

    results, _ = run
    note = "<script>alert(1)</script>"
    told = [replace(annotation, note=note) for annotation in said(results, 0)]
    text = build(replace(results, annotations=told), tmp_path / "report").read_text(encoding="utf-8")
    assert "One person agrees with the scorer on 100.0 [" in text
    assert note not in text
