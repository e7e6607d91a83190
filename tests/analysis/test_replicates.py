"""Recipes and their trainings in a run, against numbers computed another way."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from runs import random_scores, run
from scipy import stats as scipy_stats

from evalharness.analysis import Analysis, analyse, stats
from evalharness.analysis.grid import grid

ARMS = ["full", "full 1", "full 2", "base", "base 1", "base 2", "single"]
SAID = {"replicates": {"base": ARMS[3:6], "full": ARMS[:3], "single": ["single"], "gone": ["nowhere"]}}


def trained(seed: int = 0, noise: float = 0.03) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    easy = generator.random((40, 2))
    levels = [0.6] * 3 + [0.45] * 3 + [0.5]
    return {
        arm: (easy < level + generator.normal(0, noise)).astype(float) for arm, level in zip(ARMS, levels, strict=True)
    }


def overall(analysis: Analysis, arms: list[str]) -> list[float]:
    return [analysis.scores[arm].overall.value for arm in arms]


def test_a_recipe_is_a_sample_of_its_trainings() -> None:
    analysis = analyse(run(trained(), analysis=SAID))["toy"]
    assert [(group.name, len(group.arms)) for group in analysis.replicates] == [("base", 3), ("full", 3), ("single", 1)]
    full = analysis.replicates[1]
    scores = overall(analysis, ARMS[:3])
    assert full.scores == pytest.approx(scores)
    assert (full.mean.value, full.deviation.value) == pytest.approx((np.mean(scores), np.std(scores, ddof=1)))
    single = analysis.replicates[2]
    assert math.isnan(single.deviation.value) and math.isnan(single.shares.trainings)


def test_recipes_are_compared_with_that_of_the_baseline_by_welch_s_test() -> None:
    results = run(trained(), analysis=SAID)
    analysis = analyse(results)["toy"]
    assert [(contrast.group, contrast.against) for contrast in analysis.replicate_contrasts] == [
        ("base", "full"),
        ("single", "full"),
    ]
    base, single = analysis.replicate_contrasts
    expected = scipy_stats.ttest_ind(overall(analysis, ARMS[3:6]), overall(analysis, ARMS[:3]), equal_var=False)
    ends = expected.confidence_interval()
    assert (base.difference.low, base.difference.high, base.p) == pytest.approx((ends.low, ends.high, expected.pvalue))
    assert (base.difference.prompts, base.difference.samples, base.differing) == (40, 80, ())
    assert math.isnan(single.difference.low) and math.isnan(single.p)
    assert (base.p_adjusted, base.family) == (base.p, 1), "a recipe that was trained once is no comparison"
    # The wider interval holds both kinds of chance.
    table = grid(results, "toy")
    gap = np.mean([table.column(arm) for arm in ARMS[3:6]], axis=0) - np.mean(
        [table.column(arm) for arm in ARMS[:3]], axis=0
    )
    prompts = stats.estimate(gap, table.items, table.categories, analysis.weights, limits=(-1.0, 1.0)).overall
    assert base.everywhere.high - base.everywhere.value == pytest.approx(
        math.hypot(base.difference.high - base.difference.value, prompts.high - prompts.value)
    )
    assert base.shares.total == pytest.approx(base.shares.trainings + prompts.se**2)


@pytest.mark.parametrize("single_first", [True, False])
def test_a_single_training_borrows_no_variance_from_the_other_recipe(single_first: bool) -> None:
    """At the ceiling all trainings of the one recipe score alike, which says nothing of the other's noise."""
    declared = {"replicates": {"single": ["single"], "full": ARMS[:3]}}
    scores = trained(noise=0.0)
    names = ("single", *ARMS[:3]) if single_first else (*ARMS[:3], "single")
    (contrast,) = analyse(run({name: scores[name] for name in names}, analysis=declared))["toy"].replicate_contrasts
    scored = analyse(run(scores))["toy"]
    gap = overall(scored, ["single"])[0] - np.mean(overall(scored, ARMS[:3]))
    assert contrast.difference.value == pytest.approx(-gap if single_first else gap)
    assert all(map(math.isnan, (contrast.difference.low, contrast.everywhere.low, contrast.p, contrast.shares.total)))
    assert not contrast.significant


def test_recipes_that_differ_in_a_setting_say_in_which() -> None:
    results = run(trained(), analysis=SAID)
    results.arms.loc[results.arms["arm"].isin(ARMS[3:6]), "settings"] = '{"inspect": false}'
    base = analyse(results)["toy"].replicate_contrasts[0]
    assert base.differing == ("inspect",)


def test_of_two_single_trainings_nothing_is_said() -> None:
    declared = {"replicates": {"single": ["single"], "full": ["full"]}}
    (contrast,) = analyse(run(trained(), analysis=declared))["toy"].replicate_contrasts
    assert contrast.difference.value == pytest.approx(-0.1, abs=0.15)
    assert all(
        map(
            math.isnan,
            (contrast.difference.low, contrast.everywhere.low, contrast.p, contrast.p_adjusted, contrast.shares.total),
        )
    )
    assert contrast.family == 0


def test_a_missing_sample_is_left_out_of_all_trainings() -> None:
    scores = trained()
    holed = {name: np.array(values) for name, values in scores.items()}
    holed["full 1"][3, 0] = math.nan
    cut = {name: np.array(values) for name, values in scores.items()}
    for name in ARMS[:6]:
        cut[name][3, 0] = math.nan
    first, second = (analyse(run(table, analysis=SAID))["toy"].replicate_contrasts[0] for table in (holed, cut))
    assert replace(first, possible=second.possible) == second
    assert second.possible[0] < first.possible[0] < first.difference.value < first.possible[1]
    assert first.difference.samples == 79


def test_no_declaration_no_recipes() -> None:
    analysis = analyse(run(random_scores(["x", "y"])))["toy"]
    assert (analysis.replicates, analysis.replicate_contrasts) == ((), ())
    assert analysis.as_dict()["recipes"] == ()


@pytest.mark.slow
def test_simulated_intervals_hold_for_other_trainings_and_other_prompts() -> None:
    """The truth is 0.1; a recipe's lead varies over prompts, and both prompts and trainings are drawn anew."""
    generator = np.random.default_rng(5)
    held, runs = {"trainings": 0, "both": 0}, 300
    declared = {"replicates": {"full": ["a", "b", "c"], "base": ["d", "e", "f"]}}
    for _ in range(runs):
        easy = generator.uniform(0.3, 0.6, 60)
        lead = generator.uniform(-0.2, 0.4, 60)
        chance = easy[:, None] + np.outer(lead, [0, 0, 0, 1, 1, 1]) + generator.normal(0, 0.03, 6)
        right = generator.random((2, 60, 6)) < np.clip(chance, 0, 1)
        scores = {name: right[:, :, place].T.astype(float) for place, name in enumerate("abcdef")}
        (contrast,) = analyse(run(scores, analysis=declared))["toy"].replicate_contrasts
        held["both"] += contrast.everywhere.low <= 0.1 <= contrast.everywhere.high
        held["trainings"] += contrast.difference.low <= 0.1 <= contrast.difference.high
    assert 0.94 <= held["both"] / runs <= 0.995
    assert held["trainings"] < held["both"]  # that over trainings is of these prompts alone
