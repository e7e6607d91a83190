"""The difference that a run could show, against runs in which there is one of that size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import layout

from evalharness.analysis import stats

WEIGHTS = {"a": 0.5, "b": 0.5}


def flips(generator: np.random.Generator, images: int, fixed: float, broken: float, runs: int = 1) -> np.ndarray:
    drawn = generator.random((images, runs))
    return np.where(drawn < fixed, 1.0, np.where(drawn < fixed + broken, -1.0, 0.0))


def test_no_difference_shows_in_arms_that_never_differed_but_a_large_one_would() -> None:
    items, labels = layout(60, 1, "ab")
    shown = stats.smallest_shown(np.zeros(120), items, labels, WEIGHTS)
    assert 6 / 120 <= shown <= 14 / 120, "six flips the same way have p = 1/32 by sign flips, five have 1/16"


def test_more_tests_in_the_family_and_fewer_prompts_show_less() -> None:
    items, labels = layout(60, 2, "ab")
    differences = flips(np.random.default_rng(0), 240, 0.1, 0.1)[:, 0]
    alone = stats.smallest_shown(differences, items, labels, WEIGHTS)
    assert stats.smallest_shown(differences, items, labels, WEIGHTS, tests=10) > 1.1 * alone
    assert stats.smallest_shown(differences, items, labels, WEIGHTS, prompts={"a": 15, "b": 15}) > 1.5 * alone


def test_where_a_category_has_one_prompt_nothing_is_known() -> None:
    assert math.isnan(stats.smallest_shown([1.0, 0.0, 0.0], list("xyz"), list("aab"), WEIGHTS))


def test_what_cannot_be_shown_at_all_is_nan() -> None:
    """Of four pairs all flips are no rarer than one in eight."""
    assert math.isnan(stats.smallest_shown([1.0, 0.0, 0.0, 1.0], list("wxyz"), list("aabb"), WEIGHTS))


@settings(max_examples=10)
@given(seed=st.integers(0, 100), rate=st.floats(0.0, 0.4))
def test_it_is_more_than_the_noise_and_does_not_depend_on_the_sign(seed: int, rate: float) -> None:
    items, labels = layout(30, 1, "ab")
    differences = flips(np.random.default_rng(seed), 60, rate, rate / 2)[:, 0]
    shown = stats.smallest_shown(differences, items, labels, WEIGHTS)
    assert shown == stats.smallest_shown(-differences, items, labels, WEIGHTS)
    assert shown >= 1.9 * stats.estimate(differences, items, labels, WEIGHTS, limits=(-1.0, 1.0)).overall.se


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "tests"), [(0.1, 1), (0.1, 6), (0.01, 3)])
def test_a_difference_of_that_size_is_told_apart_four_times_in_five(rate: float, tests: int) -> None:
    """Nine runs without a difference each say what they could show; 300 runs with the median of these show it."""
    generator = np.random.default_rng(60)
    items, labels = layout(100, 1, "ab")
    found = [
        stats.smallest_shown(flips(generator, 200, rate / 2, rate / 2)[:, 0], items, labels, WEIGHTS, tests=tests)
        for _ in range(9)
    ]
    shown = float(np.median(found))
    total = max(rate, shown)
    runs = flips(generator, 200, (total + shown) / 2, (total - shown) / 2, 300)
    p_values = stats.sign_flip(runs, items, labels, WEIGHTS, permutations=1999) * tests
    results = stats.estimates(runs, items, labels, WEIGHTS, limits=(-1.0, 1.0))
    told = [stats.significant(scores.overall, p) for scores, p in zip(results, p_values, strict=True)]
    assert np.mean(told) == pytest.approx(0.8, abs=0.1)
