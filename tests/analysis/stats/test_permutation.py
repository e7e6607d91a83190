"""Sign flips against all of them, counted by hand, and McNemar's test against statsmodels."""

from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import images, layout
from statsmodels.stats.contingency_tables import mcnemar

from evalharness.analysis import stats
from evalharness.analysis.stats import permutation

WEIGHTS = {"a": 0.3, "b": 0.7}


def brute(values: np.ndarray, items: np.ndarray, labels: np.ndarray) -> float:
    """Every combination of signs of whole prompts."""
    names = np.unique(items)

    def overall(signs: dict[str, int]) -> float:
        flipped = values * np.array([signs[item] for item in items])
        return sum(weight * flipped[labels == name].mean() for name, weight in WEIGHTS.items())

    observed = abs(overall(dict.fromkeys(names, 1)))
    every = [overall(dict(zip(names, signs, strict=True))) for signs in itertools.product((1, -1), repeat=len(names))]
    return float(np.mean([abs(mean) >= observed - 1e-12 for mean in every]))


def differences(seed: int, prompts: int, seeds: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    items, labels = layout(prompts, seeds, "ab")
    values = np.random.default_rng(seed).choice([-1.0, 0.0, 0.0, 1.0, 1.0], size=len(items))
    return values, items, labels


def test_examples() -> None:
    assert doctest.testmod(permutation).failed == 0


@pytest.mark.parametrize("seed", range(8))
def test_few_prompts_are_enumerated(seed: int) -> None:
    values, items, labels = differences(seed, 4)
    assert stats.sign_flip(values, items, labels, WEIGHTS)[0] == brute(values, items, labels)


@pytest.mark.parametrize("seed", range(3))
def test_many_are_sampled_and_come_near_to_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values, items, labels = differences(seed, 5)
    exact = brute(values, items, labels)
    monkeypatch.setattr(permutation, "EXACT", 0)
    p_value = stats.sign_flip(values, items, labels, WEIGHTS, permutations=40_000)[0]
    assert p_value == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 40_000) + 1e-4)
    assert p_value == stats.sign_flip(values, items, labels, WEIGHTS, permutations=40_000)[0]


def test_columns_are_tested_each_for_itself() -> None:
    values, items, labels = differences(9, 20)
    other = np.roll(values, 7)
    both = stats.sign_flip(np.stack([values, other, 0 * values], axis=1), items, labels, WEIGHTS)
    assert both[0] == stats.sign_flip(values, items, labels, WEIGHTS)[0]
    assert both[1] == stats.sign_flip(other, items, labels, WEIGHTS)[0]
    assert both[2] == 1


def test_an_empty_category_leaves_nothing_to_test() -> None:
    assert math.isnan(stats.sign_flip([1.0], ["x"], ["a"], WEIGHTS)[0])


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_as_of_statsmodels(fixed: int, broken: int) -> None:
    reference = mcnemar([[5, fixed], [broken, 7]], exact=True).pvalue if fixed + broken else 1.0
    assert stats.mcnemar(fixed, broken) == pytest.approx(min(1.0, reference))


def test_with_one_image_a_prompt_sign_flips_are_mcnemar() -> None:
    """Of a single category: the number of prompts that are fixed is binomial under both."""
    for fixed, broken in ((9, 2), (6, 5), (1, 0)):
        values = np.repeat([1.0, -1.0, 0.0], [fixed, broken, 20])
        p_value = stats.sign_flip(values, np.arange(len(values)), np.full(len(values), "a"), {"a": 1.0})[0]
        assert p_value == pytest.approx(stats.mcnemar(fixed, broken))


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_false_positives_where_two_arms_do_not_differ(correlation: float) -> None:
    """5 % of 4,000 runs (standard error 0.34 points); flipping single images would find far more if they correlate."""
    generator, runs, prompts, seeds = np.random.default_rng(10), 4000, 60, 4
    items, labels = layout(prompts, seeds, "ab")
    parts = [images(generator, share, correlation, 2 * prompts, seeds, runs) for share in (0.7, 0.7)]
    gaps = parts[0] - parts[1]
    rate = (stats.sign_flip(gaps, items, labels, WEIGHTS, permutations=1999) <= 0.05).mean()
    assert 0.04 <= rate <= 0.06
    alone = np.arange(len(items))
    naive = (stats.sign_flip(gaps[:, :1000], alone, labels, WEIGHTS, permutations=999) <= 0.05).mean()
    assert (naive > 0.15) == (correlation > 0)
