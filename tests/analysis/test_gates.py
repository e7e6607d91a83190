"""Gates: what passes and what does not, on scores whose means are known."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import run

from evalharness.analysis import gates


def scores(right: int, total: int = 40, missing: int = 0) -> list[list[float]]:
    """The scores of one arm with an image a prompt: right ones, wrong ones, then missing ones."""
    return [[1.0]] * right + [[0.0]] * (total - right - missing) + [[math.nan]] * missing


@given(right=st.integers(0), missing=st.integers(0, 10), percent=st.integers(0, 100))
def test_a_limit_is_held_against_the_score_with_all_that_is_missing_wrong(
    right: int, missing: int, percent: int
) -> None:
    right = min(right, 40 - missing)
    (outcome,) = gates.at_least(run({"x": scores(right, missing=missing)}), "toy", percent / 100)
    # Of twenty prompts each: even ones weigh a quarter, odd ones three quarters.
    score = Fraction(-(-right // 2), 80) + Fraction(3 * (right // 2), 80)
    assert outcome.passed == (score >= Fraction(percent, 100))
    assert ("missing samples right" in outcome.detail) == (missing > 0)


def test_a_limit_may_name_one_arm() -> None:
    results = run({"x": scores(30), "y": scores(10)})
    assert [outcome.arm for outcome in gates.at_least(results, "toy", 0.5)] == ["x", "y"]
    (outcome,) = gates.at_least(results, "toy", 0.5, "y")
    assert (outcome.arm, outcome.passed) == ("y", False)


def test_an_arm_is_worse_if_its_paired_interval_lies_below_no_difference() -> None:
    before = run({"x": scores(30), "y": scores(30), "only before": scores(0)})
    after = run({"x": scores(29), "y": scores(16), "only after": scores(0)})
    outcomes = {outcome.arm: outcome for outcome in gates.not_worse(after, before)}
    assert {arm: outcome.passed for arm, outcome in outcomes.items()} == {"x": True, "y": False}
    assert outcomes["y"].detail.startswith("-35.0 points [")
    better = {outcome.arm: outcome.passed for outcome in gates.not_worse(before, after)}
    assert better == {"x": True, "y": True}


def test_runs_without_shared_prompts_are_compared_and_it_is_said() -> None:
    before = run({"x": scores(40)})
    after = run({"x": scores(0)}, items=[f"other {number}" for number in range(40)])
    (outcome,) = gates.not_worse(after, before)
    assert not outcome.passed
    assert "not paired" in outcome.detail


def without_a_category(arm: list[list[float]]) -> list[list[float]]:
    return [[math.nan] if number % 2 == 0 else row for number, row in enumerate(arm)]


@pytest.mark.parametrize(
    ("before", "now"),
    [(without_a_category(scores(40)), scores(0)), (scores(40), without_a_category(scores(0)))],
    ids=["before", "now"],
)
def test_without_anything_to_compare_in_a_category_nothing_is_passed(
    before: list[list[float]], now: list[list[float]]
) -> None:
    (outcome,) = gates.not_worse(run({"x": now}), run({"x": before}))
    assert (outcome.verdict, outcome.passed) == ("undecided", False)
    assert "nan" not in str(outcome)
    assert "20/40" in outcome.detail


@pytest.mark.parametrize("right", [40, 20, 0])
def test_scores_of_another_scorer_decide_nothing(right: int) -> None:
    (outcome,) = gates.not_worse(run({"x": scores(right)}, scorer="other"), run({"x": scores(20)}))
    assert outcome.verdict == "undecided"
    assert "scored by another scorer" in outcome.detail
    assert gates.notes([outcome, outcome]) == [
        "toy: the runs differ in the scorer, so that a difference may be its own"
    ]


def test_runs_without_a_common_arm_are_not_passed() -> None:
    (outcome,) = gates.not_worse(run({"x": scores(40)}), run({"y": scores(40)}))
    assert outcome.verdict == "undecided"


def test_what_is_missing_of_a_comparison_is_said() -> None:
    (outcome,) = gates.not_worse(run({"x": scores(30, missing=8)}), run({"x": scores(30)}))
    assert outcome.detail.endswith(", samples scored: 32/40, in the baseline run 40/40")


@pytest.mark.parametrize(("missing", "passed"), [(0, True), (1, False)])
def test_complete_is_every_sample_scored(missing: int, passed: bool) -> None:
    (outcome,) = gates.complete(run({"x": scores(20, missing=missing)}))
    assert (outcome.passed, outcome.detail) == (passed, f"{40 - missing}/40 samples scored")
