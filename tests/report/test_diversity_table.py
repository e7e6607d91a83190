"""Diversity on the page: beside the scores, with a warning where images are more alike though scores are higher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from runs import run

from evalharness.report.diversity_table import collapses, diversity_table
from evalharness.report.page_tables import headline
from evalharness.report.summary import Summary, summarize

PROMPTS, SEEDS = 30, 2


def summary(spread: Mapping[str, float], right: Mapping[str, float]) -> Summary:
    """Arms whose images of a prompt differ by ``spread``, with a share ``right`` of right ones."""
    features: dict[str, Any] = {}
    generator = np.random.default_rng(1)
    for item in range(PROMPTS):
        for place, size in enumerate(spread.values()):
            angle = size * (1 + 0.1 * generator.random())
            for index in range(SEEDS):
                turned = angle * index
                features[f"{place:02x}{item:04x}{index:02x}" * 8] = np.array([np.cos(turned), np.sin(turned)])

    def lookup(benchmark: str, images: Iterable[str]) -> Mapping[str, Any]:
        return {image: features[image] for image in images}

    scores = {arm: np.arange(PROMPTS)[:, None].repeat(SEEDS, 1) < share * PROMPTS for arm, share in right.items()}
    (found,) = summarize(replace(run(scores), features=lookup))
    return found


def test_the_headline_has_it_beside_the_score() -> None:
    table = headline(summary({"x": 0.5, "y": 0.1}, {"x": 0.3, "y": 0.9}), {})
    assert "Diversity" in table.columns
    cells = [row.cells[table.columns.index("Diversity")] for row in table.rows]
    assert cells[0].value == pytest.approx(1 - np.cos(0.525), rel=0.05)
    assert [cell.mark for cell in cells] == ["", "strong"]


def test_a_run_without_encoder_has_neither_column_nor_table() -> None:
    (found,) = summarize(run({"x": np.ones((4, 2)), "y": np.ones((4, 2))}))
    assert "Diversity" not in headline(found, {}).columns
    assert diversity_table(found) is None


def test_a_rise_with_images_that_are_more_alike_is_warned_of() -> None:
    (line,) = collapses(summary({"x": 0.5, "y": 0.1}, {"x": 0.3, "y": 0.9}))
    assert line.startswith("some arms score higher than x, but their images of a prompt are more alike")
    assert "y (−0.1" in line


@pytest.mark.parametrize(
    ("spread", "right"), [(0.5, 0.9), (0.9, 0.9), (0.1, 0.3), (0.1, 0.1)], ids=["same", "more", "no rise", "a fall"]
)
def test_nothing_else_is(spread: float, right: float) -> None:
    assert list(collapses(summary({"x": 0.5, "y": spread}, {"x": 0.3, "y": right}))) == []


def test_a_warning_names_three_arms() -> None:
    arms = "abcdef"
    (line,) = collapses(summary(dict.fromkeys(arms, 0.1) | {"a": 0.5}, dict.fromkeys(arms, 0.9) | {"a": 0.2}))
    assert line.endswith(" and 2 more.")


def test_the_table_has_intervals_and_the_difference() -> None:
    table = diversity_table(summary({"x": 0.5, "y": 0.1}, {"x": 0.3, "y": 0.9}))
    assert table is not None
    baseline, other = table.rows
    assert baseline.cells[3].text == "baseline"
    assert other.cells[2].note.startswith("[0.00")
    assert other.cells[3].text.startswith("−0.1")
    assert other.cells[3].mark == "strong"
