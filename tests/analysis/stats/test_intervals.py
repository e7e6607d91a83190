"""Where the bootstrap sees nothing: limits that are exact."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from evalharness.analysis import stats
from evalharness.analysis.stats import intervals

SIX = dict.fromkeys("abcdef", 1 / 6)


def right(prompts: int, seeds: int = 1, categories: str = "a") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    items = np.repeat(np.arange(prompts * len(categories)), seeds)
    return np.ones(len(items)), items, np.repeat(list(categories), prompts * seeds)


def test_examples() -> None:
    assert doctest.testmod(intervals).failed == 0


@pytest.mark.parametrize("seeds", [1, 4])
def test_a_category_all_right_has_clopper_and_pearson_s_limit_with_a_trial_a_prompt(seeds: int) -> None:
    result = stats.estimate(*right(80, seeds), {"a": 1.0}, resamples=50)
    low, high = proportion_confint(80, 80, method="beta")
    for estimate in (result.categories["a"], result.overall):
        assert (estimate.low, estimate.high) == pytest.approx((low, high))
    wrong = stats.estimate(1 - right(80, seeds)[0], *right(80, seeds)[1:], {"a": 1.0}, resamples=50).overall
    assert (wrong.low, wrong.high) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("wrong", [1, 3, 9])
def test_few_wrong_prompts_of_one_image_are_clopper_and_pearson_s(wrong: int) -> None:
    values, items, labels = right(80)
    values[:wrong] = 0
    result = stats.estimate(values, items, labels, {"a": 1.0}, resamples=50).categories["a"]
    assert (result.low, result.high) == pytest.approx(proportion_confint(80 - wrong, 80, method="beta"))


def test_ten_wrong_prompts_are_enough_for_the_bootstrap() -> None:
    values, items, labels = right(80)
    values[:10] = 0
    result = stats.estimate(values, items, labels, {"a": 1.0}).categories["a"]
    assert result.low == pytest.approx(70 / 80 - 1.96 * math.sqrt(70 / 80 * 10 / 80 / 80), abs=0.015)


def test_all_categories_right_is_the_bound_over_all_of_their_prompts() -> None:
    """No share of wrong prompts that this allows is likelier than 2.5 % to stay unseen in 480."""
    result = stats.estimate(*right(80, 2, "abcdef"), SIX, resamples=50).overall
    assert result.high == 1
    assert result.low == pytest.approx(1 - math.log(40) / 480)
    assert (result.low + 1e-4) ** 480 > 0.02 > (result.low - 1e-3) ** 480


def test_arms_that_never_differ_are_not_known_to_be_the_same() -> None:
    _, items, labels = right(80, 2, "abcdef")
    result = stats.estimate(np.zeros(len(items)), items, labels, SIX, resamples=50, limits=(-1.0, 1.0))
    assert -0.01 < result.overall.low < 0 < result.overall.high < 0.01
    assert result.categories["a"].high == pytest.approx(stats.none_of(80))


def test_a_category_where_all_agree_widens_the_others_as_squares() -> None:
    values, items, labels = right(80, 1, "ab")
    values[80:120] = 0
    both = stats.estimate(values, items, labels, {"a": 0.5, "b": 0.5}).overall
    alone = stats.estimate(values, items, labels, {"a": 0.0, "b": 0.5}).overall
    hidden = 0.5 * stats.none_of(80)
    assert both.value - both.low == pytest.approx(math.hypot(alone.value - alone.low, hidden), abs=0.005)
    assert both.high - both.value == pytest.approx(alone.high - alone.value, abs=0.005)


def test_without_limits_what_is_always_the_same_stays_so() -> None:
    values, items, labels = right(20)
    result = stats.estimate(12 * values, items, labels, {"a": 1.0}, resamples=50, limits=None).overall
    assert (result.low, result.value, result.high) == (12, 12, 12)
