"""The page that compares runs, as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compared_runs import ARMS, compared_runs
from report_samples import INJECTION
from runs import random_scores, run

from evalharness.analysis.comparison import compare_runs
from evalharness.report.comparison_page import write_comparison
from evalharness.report.comparison_tables import contrasts_table, scores_table
from evalharness.report.run_differences import run_differences
from evalharness.store.results import Results

SCORES = random_scores(["x", "y"])


def write(folder: Path, *runs: Results) -> str:
    folder.mkdir()
    write_comparison(runs, compare_runs(runs), folder, folder)
    return (folder / "index.html").read_text()


def test_a_page_has_the_scores_the_differences_and_what_makes_them_incomparable(tmp_path: Path) -> None:
    page = write(tmp_path / "c", *compared_runs(tmp_path))
    assert "<b>B single-pass</b> was scored by another scorer than <b>A single-pass on geneval</b>" in page
    assert "<td>prompts, scorer</td>" in page
    assert "the runs differ in the scorer, so that a difference may be its own" in page
    assert "threshold 0.3" in page and "threshold 0.5" in page
    assert page.count('class="picture"') == 4 * 4  # prompts × arms
    assert "http" not in re.sub(r'http-equiv|xmlns="[^"]*"', "", page)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    first, second = compared_runs(tmp_path)
    info = dict(second.info) | {"name": INJECTION}
    page = write(tmp_path / "c", first, replace(second, info=info))
    assert INJECTION not in page
    assert "<img src=x" not in page
    assert page.count("<script>") == 1


def test_the_pictures_are_those_of_partners_alone(tmp_path: Path) -> None:
    first, second = compared_runs(tmp_path)
    write(tmp_path / "c", first, second)
    text = (tmp_path / "c" / "data" / "samples.css").read_text()
    data = json.loads(re.search(r'--data-0:"(.*)"', text).group(1).replace('\\"', '"').replace("\\\\", "\\"))
    assert data["arms"] == [f"{letter} {arm}" for arm in ARMS for letter in "AB"]
    assert data["partners"] == {f"{'AB'[n]} {arm}": f"{'BA'[n]} {arm}" for arm in ARMS for n in (0, 1)}
    assert len(data["items"]) == 22
    assert len(data["samples"]) == 22 * 4
    assert len(list((tmp_path / "c" / "images").iterdir())) == len(data["images"])


def test_without_a_common_prompt_there_is_a_page_without_pictures(tmp_path: Path) -> None:
    other = run({"x": SCORES["y"]}, items=[f"other {number}" for number in range(40)])
    page = write(tmp_path / "c", run({"x": SCORES["x"]}), other)
    assert "shares no prompt with" in page
    assert "grid.html" not in page
    assert not (tmp_path / "c" / "grid.html").exists()


def test_the_scores_of_runs_on_other_benchmarks_are_shown() -> None:
    runs = [run(SCORES), run(SCORES), run(SCORES, benchmark="other")]
    comparison = compare_runs(runs)
    table = scores_table(runs, comparison, run_differences(runs), {"toy": "Toy", "other": "Other"})
    assert table.columns == ["Arm", "Toy", "Other", "Other than in A"]
    assert [row.cells[0].text for row in table.rows] == ["A x", "B x", "A y", "B y"]
    assert [row.cells[2].text for row in table.rows] == ["–"] * 4


@pytest.mark.parametrize(("scorer", "sign"), [("rules", ""), ("judge", " ≠")])
def test_a_score_of_another_scorer_has_a_sign(scorer: str, sign: str) -> None:
    runs = [run(SCORES), run(SCORES, scorer=scorer)]
    table = scores_table(runs, compare_runs(runs), run_differences(runs), {"toy": "Toy"})
    first, second = (row.cells[1].text for row in table.rows[:2])
    assert (second, table.rows[1].cells[1].value) == (first + sign, table.rows[0].cells[1].value)


def test_a_difference_is_that_of_the_comparison() -> None:
    runs = [run({"x": SCORES["x"]}), run({"x": SCORES["y"]})]
    comparison = compare_runs(runs)
    (row,) = contrasts_table(comparison, "toy", []).rows
    (pair,) = comparison.compared
    assert [cell.value for cell in row.cells[1:4]] == [
        pair.scores[0].known.value,
        pair.scores[1].known.value,
        pair.difference.value,
    ]
    assert pair.contrast is not None
    assert row.cells[3].mark == ("strong" if pair.contrast.significant else "")


def test_an_incomplete_score_is_a_range_wherever_it_stands() -> None:
    part = np.where(np.arange(40)[:, None] < 4, 1.0, np.nan)
    runs = [run({"x": SCORES["x"][:, :1]}), run({"x": part})]
    comparison = compare_runs(runs)
    cells = [
        scores_table(runs, comparison, [], {"toy": "Toy"}).rows[1].cells[1],
        contrasts_table(comparison, "toy", []).rows[0].cells[2],
    ]
    for cell in cells:
        assert (cell.text, cell.note, cell.mark) == ("10.0 to 100.0", "incomplete: 4/40", "incomplete")
        assert cell.value is not None and np.isnan(cell.value)


def test_a_difference_that_may_be_the_scorer_s_is_not_bold() -> None:
    runs = [run({"x": np.zeros((40, 1))}), run({"x": np.ones((40, 1))}, scorer="judge")]
    (row,) = contrasts_table(compare_runs(runs), "toy", run_differences(runs)).rows
    assert row.cells[3].mark == ""
