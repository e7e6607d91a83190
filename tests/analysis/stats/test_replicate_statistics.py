"""Trainings as units, against scipy, closed forms and simulation."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from evalharness.analysis import stats
from evalharness.analysis.stats import replicates

WEIGHTS = {"a": 0.25, "b": 0.75}


def test_examples() -> None:
    assert doctest.testmod(replicates).failed == 0


@pytest.mark.parametrize(("first", "second"), [(3, 3), (2, 5), (7, 3)])
def test_welch_is_scipy_s(first: int, second: int) -> None:
    generator = np.random.default_rng(first * 10 + second)
    a, b = generator.normal(0.7, 0.02, first), generator.normal(0.66, 0.05, second)
    result, expected = stats.welch(a, b), scipy_stats.ttest_ind(a, b, equal_var=False)
    ends = expected.confidence_interval()
    assert (result.difference.low, result.difference.high) == pytest.approx((ends.low, ends.high))
    assert (result.p, result.degrees) == pytest.approx((expected.pvalue, expected.df))
    assert result.difference.se == pytest.approx(math.sqrt(a.var(ddof=1) / first + b.var(ddof=1) / second))


def test_the_mean_and_the_deviation_have_the_intervals_of_the_textbook() -> None:
    scores = [0.71, 0.69, 0.74]
    mean, spread = stats.mean_of(scores), stats.deviation(scores)
    expected = scipy_stats.ttest_1samp(scores, 0).confidence_interval()
    assert (mean.low, mean.high) == pytest.approx((expected.low, expected.high))
    sd = np.std(scores, ddof=1)
    chi = scipy_stats.chi2.ppf([0.975, 0.025], 2)
    assert (spread.value, spread.low, spread.high) == pytest.approx((sd, *(sd * np.sqrt(2 / chi))))


def test_a_single_training_and_equal_ones_have_no_interval() -> None:
    assert math.isnan(stats.mean_of([0.7]).low)
    assert math.isnan(stats.deviation([0.7]).value)
    assert stats.mean_of([0.7]).value == 0.7
    equal = stats.welch([0.7, 0.7], [0.6, 0.6])
    assert equal.difference.value == pytest.approx(0.1)
    assert math.isnan(equal.difference.low) and math.isnan(equal.p)
    states = [found.state for found in (stats.mean_of([0.7]), stats.mean_of([0.7, 0.7]), equal.difference)]
    assert states == ["few", "flat", "flat"]
    none = stats.deviation([0.7, 0.7])
    assert (none.value, none.state) == (0.0, "flat"), "that two trainings are alike does not say that all are"
    assert math.isnan(stats.shares([[0.0], [1.0]], ["x", "y"], ["a", "a"], {"a": 1.0}).trainings)


def test_scores_that_differ_by_rounding_are_equal() -> None:
    """0.1 + 0.2 is not 0.3 in floating point; a spread of that size would prove any difference."""
    rounded = stats.welch([0.1 + 0.2, 0.3], [0.2, 0.2])
    assert (rounded.difference.state, math.isnan(rounded.p)) == ("flat", True)
    assert stats.mean_of([0.1 + 0.2, 0.3]).state == stats.deviation([0.1 + 0.2, 0.3]).state == "flat"


def test_without_scores_no_share_is_known() -> None:
    nothing = stats.shares([[math.nan, 1.0], [math.nan, 0.0]], ["x", "y"], ["a", "a"], {"a": 1.0})
    assert all(map(math.isnan, (nothing.trainings, nothing.prompts, nothing.images, nothing.trainings_low)))


def test_shares_are_the_mean_squares_of_a_crossed_anova() -> None:
    """One category, an image a prompt: two-way analysis of variance without replication, from its definition."""
    generator = np.random.default_rng(3)
    prompts, k = 30, 4
    table = generator.random(prompts)[:, None] + 0.3 * generator.random(k)[None] + 0.2 * generator.random((prompts, k))
    rows, columns, grand = table.mean(axis=1), table.mean(axis=0), table.mean()
    ms_trainings = prompts * ((columns - grand) ** 2).sum() / (k - 1)
    ms_prompts = k * ((rows - grand) ** 2).sum() / (prompts - 1)
    residual = table - rows[:, None] - columns[None] + grand
    ms_rest = (residual**2).sum() / ((prompts - 1) * (k - 1))
    result = stats.shares(table, [f"{n:02}" for n in range(prompts)], ["a"] * prompts, {"a": 1.0})
    assert result.images == pytest.approx(ms_rest / prompts)
    assert result.trainings == pytest.approx((ms_trainings - ms_rest) / prompts)
    assert result.prompts == pytest.approx((ms_prompts - ms_rest) / k / prompts)


def test_no_variance_between_trainings_is_an_estimate_with_an_interval() -> None:
    """Three trainings that differ by no more than their images do: the part is 0, its limit is far from it."""
    assert stats.between_part(1.0, 2.0, 1.0)[:2] == (0.0, 0.0)
    assert stats.between_part(1.0, 2.0, 1.0)[2] == pytest.approx(2 / scipy_stats.chi2.ppf(0.025, 2) - 1)
    values = np.random.default_rng(8).random((50, 3))
    shares = stats.shares(values, [f"{n:02}" for n in range(50)], ["a"] * 50, {"a": 1.0})
    assert shares.trainings_low <= shares.trainings <= shares.trainings_high
    assert 0 <= shares.between.low <= shares.between.value <= shares.between.high <= 1
    assert shares.between.high > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.0, 0.5, 4.0])
def test_the_interval_of_the_trainings_part_holds_it(ratio: float) -> None:
    """2,000 times three trainings whose scores vary by the given multiple of what their images explain."""
    scores = np.random.default_rng(9).normal(0, math.sqrt(1 + ratio), (2000, 3))
    ends = [stats.between_part(float(row.var(ddof=1)), 2, 1.0)[1:] for row in scores]
    held = np.mean([low <= ratio <= high for low, high in ends])
    assert 0.93 <= held <= (0.97 if ratio else 0.99)


def test_a_row_that_a_training_lacks_counts_for_none() -> None:
    generator = np.random.default_rng(1)
    table = generator.random((40, 3))
    items, categories = [f"{n // 2:02}" for n in range(40)], ["ab"[n // 2 % 2] for n in range(40)]
    holed = table.copy()
    holed[7, 1] = np.nan
    rest = np.delete(np.arange(40), 7)
    expected = stats.shares(table[rest], np.array(items)[rest], np.array(categories)[rest], WEIGHTS)
    assert stats.shares(holed, items, categories, WEIGHTS) == expected
    assert np.isnan(stats.complete(holed)).sum() == 3


@pytest.mark.slow
def test_simulated_welch_intervals_hold_what_endless_trainings_would_show_and_parts_are_right() -> None:
    """600 runs of two recipes of three trainings that are the same recipe."""
    generator = np.random.default_rng(7)
    prompts, images, runs, sd = 120, 2, 600, 0.04
    items = [f"{n // images:03}" for n in range(prompts * images)]
    labels = items, ["a"] * len(items), {"a": 1.0}
    held, naive, parts = 0, 0, []
    for _ in range(runs):
        chance = generator.uniform(0.3, 0.7, prompts)[:, None] + generator.normal(0, sd, 6)
        chance = np.clip(chance + generator.uniform(-0.1, 0.1, (prompts, 6)), 0, 1)
        right = (generator.random((len(items), 6)) < np.repeat(chance, images, axis=0)).astype(float)
        scores = stats.clustered(right, *labels)[0]
        result = stats.welch(scores[:3], scores[3:]).difference
        held += result.low <= 0 <= result.high
        gap = right[:, :3].mean(axis=1) - right[:, 3:].mean(axis=1)
        naive += abs(result.value) <= 1.96 * math.sqrt(stats.clustered(gap, *labels)[1][0])
        parts.append(stats.shares(right[:, :3], *labels))
    assert 0.93 <= held / runs <= 0.98
    # Variances by the definition of the simulation: a Bernoulli draw's is E p (1 - p) with E p = 1/2.
    interaction = 0.2**2 / 12
    images_part = ((0.25 - 0.4**2 / 12 - interaction - sd**2) / images + interaction) / prompts
    total = sd**2 + images_part
    # What an interval over the prompts alone holds, though it promises 95 %: about 78 %.
    promised = 2 * scipy_stats.norm.cdf(1.96 * math.sqrt(images_part / total)) - 1
    assert naive / runs == pytest.approx(promised, abs=0.05)
    assert promised < 0.8
    assert np.mean([shares.images for shares in parts]) == pytest.approx(images_part, rel=0.03)
    assert np.mean([shares.prompts for shares in parts]) == pytest.approx(0.4**2 / 12 / prompts, rel=0.15)
    # The variance of three is exponential, and what is left of it above the images' part cannot be negative.
    assert np.mean([shares.trainings for shares in parts]) == pytest.approx(
        total * math.exp(-images_part / total), rel=0.12
    )
