"""The score of an arm over what is scored so far."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from runs import random_scores, run

from evalharness.analysis import analyse
from evalharness.analysis.arm_scores import arm_scores

SCORES = random_scores(["x", "y"])


def test_of_a_complete_run_it_is_what_the_analysis_says() -> None:
    results = run(SCORES)
    scores = arm_scores(results, "toy")
    analysis = analyse(results)["toy"]
    assert {arm: score.estimate for arm, score in scores.items()} == {
        arm: score.overall for arm, score in analysis.scores.items()
    }
    assert all(
        score.complete and score.known == score.estimate and score.bounds == (pytest.approx(score.estimate.value),) * 2
        for score in scores.values()
    )


def test_of_an_incomplete_run_it_is_of_what_is_scored_within_what_is_possible() -> None:
    table = SCORES["x"].copy()
    table[10:] = np.nan
    score = arm_scores(run({"x": table}), "toy")["x"]
    means = [table[:10][category::2].mean() for category in (0, 1)]
    assert score.estimate.value == pytest.approx(0.25 * means[0] + 0.75 * means[1])
    assert score.bounds[0] < score.estimate.low < score.estimate.high < score.bounds[1]
    assert score.coverage == "30/120"
    assert math.isnan(score.known.value)


def test_without_a_score_in_a_category_there_is_none_and_without_samples_no_arm() -> None:
    table = SCORES["x"].copy()
    table[1::2] = np.nan
    results = run({"x": table})
    assert math.isnan(arm_scores(results, "toy")["x"].estimate.value)
    assert arm_scores(replace(results, samples=results.samples.iloc[:0]), "toy") == {}
