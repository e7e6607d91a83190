"""Two runs side by side: what is paired, and what is said where it is not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from runs import random_scores, run

from evalharness.analysis import analyse, stats
from evalharness.analysis.comparison import compare, compare_runs
from evalharness.errors import ConfigError
from evalharness.store.results import Results

SCORES = random_scores(["x", "y", "z"])


def runs() -> tuple[Results, Results]:
    """Of the same prompts and seeds: the second's x is the first's y."""
    return run({"x": SCORES["x"], "p": SCORES["z"]}), run({"x": SCORES["y"], "q": SCORES["z"]})


def test_the_same_prompts_and_seeds_are_paired_as_arms_of_one_run_are() -> None:
    comparison = compare(*runs())
    (compared,) = comparison.compared
    within = analyse(run({"x": SCORES["x"], "y": SCORES["y"]}))["toy"].contrast("y")
    assert within is not None
    assert (compared.arms, compared.pairing, comparison.notes) == (("x", "x"), "seeds", ())
    assert compared.contrast is not None
    assert compared.difference == within.difference
    assert (compared.contrast.p, compared.contrast.flips) == (within.p, within.flips)


def test_arms_of_other_names_when_they_are_named() -> None:
    (compared,) = compare(*runs(), [("p", "q")]).compared
    assert compared.arms == ("p", "q")
    assert compared.contrast is not None
    assert (compared.difference.value, compared.contrast.p) == (0, 1)


def test_p_values_are_adjusted_over_all_that_is_compared() -> None:
    first, second = run({"x": SCORES["x"], "y": SCORES["y"]}), run({"x": SCORES["y"], "y": SCORES["z"]})
    contrasts = [compared.contrast for compared in compare(first, second).compared]
    adjusted = stats.benjamini_hochberg([compared.p for compared in contrasts if compared])
    assert [compared.p_adjusted for compared in contrasts if compared] == adjusted.tolist()


def test_other_seeds_are_paired_by_prompt_and_it_is_said() -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["y"]}, seed=1)
    comparison = compare(first, second)
    (compared,) = comparison.compared
    assert compared.pairing == "prompts"
    assert compared.difference.value == pytest.approx(
        compared.scores[1].estimate.value - compared.scores[0].estimate.value
    )
    assert "share prompts but no seed" in comparison.notes[0]


def test_prompts_of_one_run_alone_are_left_out_and_it_is_said() -> None:
    names = [f"{number:03d}" for number in range(2, 42)]
    comparison = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, items=names))
    (compared,) = comparison.compared
    assert compared.difference.prompts == 38
    assert comparison.notes == (
        "toy: 2 prompts only in the first run, such as '000'; they are left out of the difference",
        "toy: 2 prompts only in the second run, such as '040'; they are left out of the difference",
    )


def test_seeds_of_one_run_alone_are_left_out_and_it_is_said() -> None:
    comparison = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"][:, :2]}))
    assert comparison.compared[0].difference.samples == 80
    assert comparison.notes == (
        "toy: 40 seeds of shared prompts only in the first run; they are left out of the difference",
    )


def test_runs_without_a_common_prompt_are_not_paired() -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["y"]}, items=[f"other {number}" for number in range(40)])
    comparison = compare(first, second)
    (compared,) = comparison.compared
    assert (compared.pairing, compared.contrast) == ("none", None)
    assert "not paired" in comparison.notes[0]
    a, b = (score.estimate for score in compared.scores)
    assert compared.difference.value == pytest.approx(b.value - a.value)
    assert compared.difference.low == pytest.approx(b.value - a.value - math.hypot(b.value - b.low, a.high - a.value))
    assert compared.difference.se == pytest.approx(math.hypot(a.se, b.se))


def test_another_scorer_is_said() -> None:
    comparison = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, scorer="judge"))
    assert comparison.notes == ("toy: the runs differ in the scorer, so that a difference may be its own",)


def test_other_words_for_the_same_prompt_are_said() -> None:
    first, second = runs()
    second.samples.loc[second.samples["item"] == "003", "prompt"] = "rewritten"
    assert compare(first, second).notes == ("toy: 1 prompts have the same id but other words, such as '003'",)


def test_benchmarks_of_one_run_alone_are_said() -> None:
    comparison = compare(run({"x": SCORES["x"]}), run({"x": SCORES["x"]}, benchmark="other"))
    assert comparison.compared == ()
    assert comparison.notes == ("toy: only in the first run", "other: only in the second run")


def test_a_missing_score_leaves_its_pair_out() -> None:
    spoiled = SCORES["x"].copy()
    spoiled[0] = np.nan
    (compared,) = compare(run({"x": SCORES["x"]}), run({"x": spoiled})).compared
    assert (compared.difference.prompts, compared.scores[1].estimate.prompts) == (39, 39)


def test_a_category_of_one_run_alone_is_left_out_of_the_overall_score() -> None:
    """The weights of what both have sum to 1 again, so that two perfect runs have 100 %, not 114 %."""
    perfect = {"x": np.ones((40, 2))}
    first, second = run(perfect), run(perfect)
    more = second.info["benchmarks"]["toy"] | {"weights": {"a": 0.25, "b": 0.5, "c": 0.25}}
    second = replace(second, info=dict(second.info) | {"benchmarks": {"toy": more}})
    second.samples.loc[second.samples["item"] == "003", "category"] = "c"
    for comparison in (compare(first, second), compare(second, first)):
        assert [score.estimate.value for score in comparison.compared[0].scores] == pytest.approx([1.0, 1.0])
        assert "toy: categories of one run only, left out of the overall score: c" in comparison.notes


def test_what_a_comparison_could_have_shown() -> None:
    (compared,) = compare(run({"x": SCORES["x"]}), run({"x": SCORES["y"]})).compared
    assert compared.contrast is not None
    assert 0 < compared.contrast.detectable < 0.5
    assert len(compared.contrast.needed) == 3


def test_each_later_run_is_compared_with_the_first_and_p_values_are_adjusted_over_all() -> None:
    first, second, third = (run({"x": SCORES[name]}) for name in ("x", "y", "z"))
    comparison = compare_runs([first, second, third])
    assert [compared.labels for compared in comparison.compared] == [("A x", "B x"), ("A x", "C x")]
    alone = [compare(first, other).compared[0] for other in (second, third)]
    assert [compared.difference for compared in comparison.compared] == [pair.difference for pair in alone]
    expected = stats.benjamini_hochberg([pair.contrast.p for pair in alone if pair.contrast])
    assert [pair.contrast.p_adjusted for pair in comparison.compared if pair.contrast] == expected.tolist()


def test_of_several_runs_a_note_names_the_two_by_their_letters() -> None:
    runs_of_two = run({"x": SCORES["x"]}), run({"x": SCORES["x"][:, :2]})
    comparison = compare_runs([runs_of_two[0], *runs_of_two])
    assert comparison.notes == ("A, C: toy: 40 seeds of shared prompts only in A; they are left out of the difference",)


@pytest.mark.parametrize("count", [0, 1, 27])
def test_one_run_and_more_than_there_are_letters_cannot_be_compared(count: int) -> None:
    with pytest.raises(ConfigError, match=f"{count} runs: 2 to 26 can be compared"):
        compare_runs([run({"x": SCORES["x"][:2]})] * count)


def test_a_score_over_a_part_of_the_samples_is_none() -> None:
    part = np.where(np.arange(40)[:, None] < 4, 1.0, math.nan)
    (compared,) = compare(run({"x": SCORES["x"][:, :1]}), run({"x": part})).compared
    whole, rest = compared.scores
    assert (whole.known, whole.coverage) == (whole.estimate, "40/40")
    assert (rest.estimate.value, rest.coverage, rest.bounds) == (1.0, "4/40", pytest.approx((0.1, 1.0)))
    assert math.isnan(rest.known.value)


@pytest.mark.parametrize(
    ("change", "otherwise"),
    [({"scorer": {"name": "other"}}, ("scorer",)), ({"version": "2"}, ("protocol",)), ({"title": "Toy"}, ())],
)
def test_what_scored_the_runs_otherwise_is_said(change: dict[str, object], otherwise: tuple[str, ...]) -> None:
    first, second = run({"x": SCORES["x"]}), run({"x": SCORES["x"]})
    second.info["benchmarks"]["toy"].update(change)
    (compared,) = compare(first, second).compared
    assert compared.otherwise == otherwise
