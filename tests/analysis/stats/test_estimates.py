"""The estimates against closed forms, and simulated coverage."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from evalharness.analysis import stats
from evalharness.analysis.stats import scores

NAN = math.nan


def sample(prompts: dict[str, int], seeds: int, generator: np.random.Generator, spread: float = 0.2):
    """Correlated right/wrong samples: each prompt has its own chance."""
    values, items, categories = [], [], []
    for category, count in prompts.items():
        for prompt in range(count):
            chance = np.clip(0.6 + spread * generator.standard_normal(), 0, 1)
            values += list((generator.random(seeds) < chance).astype(float))
            items += [f"{category}-{prompt}"] * seeds
            categories += [category] * seeds
    return np.array(values), np.array(items), np.array(categories)


def test_examples() -> None:
    assert doctest.testmod(scores, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_overall_is_the_weighted_sum_of_category_means() -> None:
    result = stats.estimate([1, 0, 1, 1, 1], list("vwxyz"), list("aabbb"), {"a": 0.25, "b": 0.75})
    assert result.categories["a"].value == 0.5
    assert result.overall.value == 0.25 * 0.5 + 0.75
    assert (result.samples, result.prompts) == (5, 5)


def test_an_empty_category_is_not_zero() -> None:
    result = stats.estimate([1, NAN], ["x", "y"], ["a", "b"], {"a": 0.5, "b": 0.5})
    assert math.isnan(result.categories["b"].value)
    assert math.isnan(result.overall.value)
    assert result.categories["a"].value == 1


def test_bounds_fill_the_missing() -> None:
    weights = {"a": 0.5, "b": 0.5}
    assert stats.bounds([1, NAN, 0, NAN], list("aabb"), weights) == (0.25, 0.75)
    assert stats.bounds([1], ["a"], weights) == (0.5, 1.0)
    assert stats.bounds([1, 0], ["a", "b"], weights) == (0.5, 0.5)


def test_one_prompt_gives_no_interval() -> None:
    result = stats.estimate([1, 0], ["x", "x"], ["a", "a"], {"a": 1.0})
    assert result.overall.value == 0.5
    assert math.isnan(result.overall.low)


def test_a_weight_of_zero_does_not_spoil_the_sum() -> None:
    result = stats.estimate([1, 0], ["x", "y"], ["a", "a"], {"a": 1.0, "b": 0.0})
    assert result.overall.value == 0.5
    assert not math.isnan(result.overall.low)


def test_the_spread_is_the_stratified_cluster_formula() -> None:
    """Var = Σ w² × var(prompt means) / n, with equally many seeds a prompt; the interval is ±1.96 of its root."""
    weights = {"a": 0.3, "b": 0.7}
    values, items, categories = sample({"a": 80, "b": 120}, 4, np.random.default_rng(1))
    variance = 0.0
    for category, weight in weights.items():
        means = values[categories == category].reshape(-1, 4).mean(axis=1)
        variance += weight**2 * means.var() / len(means)
    result = stats.estimate(values, items, categories, weights).overall
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * math.sqrt(variance), rel=0.05)


def test_pairing_takes_away_what_the_arms_share() -> None:
    """b repeats a but for one prompt in ten: the paired interval is far narrower than that of either arm."""
    values, items, categories = sample({"a": 100}, 2, np.random.default_rng(4), spread=0.5)
    other = values.copy()
    other[::20] = 1 - other[::20]
    paired = stats.estimate(values - other, items, categories, {"a": 1.0}).overall
    alone = stats.estimate(values, items, categories, {"a": 1.0}).overall
    assert paired.value == pytest.approx(values.mean() - other.mean())
    assert paired.high - paired.low < 0.6 * (alone.high - alone.low)


def test_a_pair_with_one_side_missing_is_no_pair() -> None:
    a, b = np.array([1.0, 1.0, NAN, 0.0]), np.array([0.0, NAN, 1.0, 0.0])
    result = stats.estimate(a - b, list("wxyz"), ["a"] * 4, {"a": 1.0})
    assert (result.overall.value, result.samples) == (0.5, 2)


def test_free_of_the_order_of_rows() -> None:
    values, items, categories = sample({"a": 20, "b": 20}, 2, np.random.default_rng(5))
    weights = {"a": 0.5, "b": 0.5}
    first = stats.estimate(values, items, categories, weights)
    order = np.random.default_rng(6).permutation(len(values))
    second = stats.estimate(values[order], items[order], categories[order], weights)
    assert first.overall.low == pytest.approx(second.overall.low, abs=1e-12)


def test_coverage_in_simulation() -> None:
    """95 % intervals hold the true score about 95 times in 100 (seeded; 300 runs: standard error 1.3 points)."""
    generator, hits = np.random.default_rng(7), 0
    chances = np.clip(0.6 + 0.2 * np.random.default_rng(8).standard_normal(1_000_000), 0, 1).mean()
    for _ in range(300):
        values, items, categories = sample({"a": 60, "b": 60}, 2, generator)
        weights = {"a": 0.5, "b": 0.5}
        result = stats.estimate(values, items, categories, weights).overall
        hits += result.low <= chances <= result.high
    assert 0.91 <= hits / 300 <= 0.98
