"""Two runs side by side: what is paired, and what is said where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from runs import random_scores, run

from evalharness.analysis import analyse, stats
from evalharness.analysis.comparison import compare
from evalharness.store.results import Results

SCORES = random_scores(["x", "y", "z"])


def runs() -> tuple[Results, Results]:
    """Of the same prompts and seeds: the second's x is the first's y."""
    return run({"x": SCORES["x"], "p": SCORES["z"]}), run({"x": SCORES["y"], "q": SCORES["z"]})


def test_the_same_prompts_and_seeds_are_paired_as_arms_of_one_run_are() -> None:
    found = compare(*runs())
    (one,) = found.compared
    within = analyse(run({"x": SCORES["x"], "y": SCORES["y"]}))["toy"].contrast("y")
    assert within is not None
    assert (one.arms, one.pairing, found.notes) == (("x", "x"), "seeds", ())
    assert one.contrast is not None
    assert one.difference == within.difference
    assert (one.contrast.p, one.contrast.flips) == (within.p, within.flips)


def test_arms_of_other_names_when_they_are_named() -> None:
    (one,) = compare(*runs(), [("p", "q")]).compared
    assert one.arms == ("p", "q")
    assert one.contrast is not None
    assert (one.difference.value, one.contrast.p) == (0, 1)


def test_p_values_are_adjusted_over_all_that_is_compared() -> None:
    first, second = run({"x": SCORES["x"], "y": SCORES["y"]}), run({"x": SCORES["y"], "y": SCORES["z"]})
    found = [one.contrast for one in compare(first, second).compared]
    adjusted = stats.benjamini_hochberg([one.p for one in found if one])
    assert [one.p_adjusted for one in found if one] == adjusted.tolist()


def test_other_seeds_are_paired_by_prompt_and_it_is_said() -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["y"]}, seed=1)
    found = compare(first, second)
    (one,) = found.compared
    assert one.pairing == "prompts"
    assert one.difference.value == pytest.approx(one.scores[1].value - one.scores[0].value)
    assert "share prompts but no seed" in found.notes[0]


def test_prompts_of_one_run_alone_are_left_out_and_it_is_said() -> None:
    names = [f"{number:03d}" for number in range(2, 42)]
    found = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, items=names))
    (one,) = found.compared
    assert one.difference.prompts == 38
    assert found.notes == (
        "toy: 2 prompts only in the first run, such as '000'; they are left out of the difference",
        "toy: 2 prompts only in the second run, such as '040'; they are left out of the difference",
    )


def test_seeds_of_one_run_alone_are_left_out_and_it_is_said() -> None:
    found = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"][:, :2]}))
    assert found.compared[0].difference.samples == 80
    assert found.notes == (
        "toy: 40 seeds of shared prompts only in the first run; they are left out of the difference",
    )


def test_runs_without_a_common_prompt_are_not_paired() -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["y"]}, items=[f"other {number}" for number in range(40)])
    found = compare(first, second)
    (one,) = found.compared
    assert (one.pairing, one.contrast) == ("none", None)
    assert "not paired" in found.notes[0]
    a, b = one.scores
    assert one.difference.value == pytest.approx(b.value - a.value)
    assert one.difference.low == pytest.approx(b.value - a.value - math.hypot(b.value - b.low, a.high - a.value))
    assert one.difference.se == pytest.approx(math.hypot(a.se, b.se))


def test_another_scorer_is_said() -> None:
    found = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, scorer="judge"))
    assert found.notes == ("toy: the runs differ in the scorer, so that a difference may be its own",)


def test_other_words_for_the_same_prompt_are_said() -> None:
    first, second = runs()
    second.samples.loc[second.samples["item"] == "003", "prompt"] = "rewritten"
    assert compare(first, second).notes == ("toy: 1 prompts have the same id but other words, such as '003'",)


def test_benchmarks_of_one_run_alone_are_said() -> None:
    found = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, benchmark="other"))
    assert found.compared == ()
    assert found.notes == ("toy: only in the first run", "other: only in the second run")


def test_a_missing_score_leaves_its_pair_out() -> None:
    spoiled = SCORES["x"].copy()
    spoiled[0] = np.nan
    (one,) = compare(run({"x": SCORES["x"]}), run({"x": spoiled})).compared
    assert (one.difference.prompts, one.scores[1].prompts) == (39, 39)
