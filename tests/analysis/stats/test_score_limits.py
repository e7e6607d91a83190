"""The score interval against Wilson's, Tango's closed form, and a constrained likelihood maximised by search."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from evalharness.analysis import stats
from evalharness.analysis.stats.score_limits import Observed, score_limits

Z = norm.ppf(0.975)
SIX = dict.fromkeys("abcdef", 1 / 6)


def limits_of(counts: list[list[int]], values: list[float], weights: list[float]) -> tuple[float, float]:
    """The limits for counts of each value in each category, on a scale from the first value to the last."""
    table = np.array(counts, dtype=float)
    sizes = table.sum(axis=1)
    observed = Observed(
        np.array([values] * len(counts)), (table / sizes[:, None])[None], sizes[None], np.array(weights, dtype=float)
    )
    low, high = score_limits(observed, (values[0], values[-1]), 0.95)
    return float(low[0]), float(high[0])


@pytest.mark.parametrize(("right", "count"), [(3, 8), (70, 80), (10, 10), (0, 12)])
def test_a_share_has_wilson_s_interval_and_never_a_narrower_one(right: int, count: int) -> None:
    """A limit beyond which the rarer outcome is no longer the rarer one is Wilson's; others are moved outwards."""
    low, high = limits_of([[count - right, right]], [0.0, 1.0], [1.0])
    wilson = proportion_confint(right, count, method="wilson")
    if wilson[0] >= 0.5:
        assert low == pytest.approx(wilson[0], abs=1e-7)
    if wilson[1] <= 0.5:
        assert high == pytest.approx(wilson[1], abs=1e-7)
    assert low <= wilson[0] + 1e-7
    assert high >= wilson[1] - 1e-7


def test_the_far_limit_of_a_rare_event_solves_gart_and_nam_s_equation() -> None:
    """One failure in 92: (1 - m) / √v = z + γ (z² - 1) / 6 for the share m that is just not rejected."""
    high = 1 - limits_of([[1, 91]], [0.0, 1.0], [1.0])[1]
    error, skewness = math.sqrt(high * (1 - high) / 92), (1 - 2 * high) / math.sqrt(92 * high * (1 - high))
    assert (1 / 92 - high) / error == pytest.approx(Z + skewness * (Z**2 - 1) / 6, abs=1e-5)
    assert high < 1 - proportion_confint(91, 92, method="wilson")[1]


def tango(fixed: int, broken: int, count: int, skewed: float = 0.0) -> tuple[float, float]:
    """Tango's limits from the closed form of the constrained estimate (Statistics in Medicine 17, 1998).

    ``skewed`` times the outward skewness is added to the quantile.
    """

    def excess(gap: float, side: int) -> float:
        b = -fixed - broken + (2 * count - fixed + broken) * gap
        c = -broken * gap * (1 - gap)
        lost = (math.sqrt(max(b * b - 8 * count * c, 0.0)) - b) / (4 * count)
        won = lost + gap
        variance = won + lost - gap**2
        third = won * (1 - gap) ** 3 - lost * (1 + gap) ** 3 - (1 - won - lost) * gap**3
        skewness = side * third / math.sqrt(count * variance**3)
        distance = side * ((fixed - broken) / count - gap) / math.sqrt(variance / count)
        return distance - Z - skewed * max(skewness, 0.0)

    estimate = (fixed - broken) / count
    return (
        brentq(lambda gap: excess(gap, 1), -1 + 1e-6, estimate - 1e-9),
        brentq(lambda gap: excess(gap, -1), estimate + 1e-9, 1 - 1e-6),
    )


@pytest.mark.parametrize(("fixed", "broken", "count"), [(8, 2, 40), (5, 5, 20), (1, 0, 320), (30, 1, 100), (2, 9, 30)])
def test_paired_differences_have_tango_s_interval_moved_for_the_skewness(fixed: int, broken: int, count: int) -> None:
    low, high = limits_of([[broken, count - fixed - broken, fixed]], [-1.0, 0.0, 1.0], [1.0])
    assert (low, high) == pytest.approx(tango(fixed, broken, count, (Z**2 - 1) / 6), abs=1e-6)
    plain = tango(fixed, broken, count)
    assert low <= plain[0] + 1e-7
    assert high >= plain[1] - 1e-7


def test_no_flips_in_320() -> None:
    """Nothing differs among 320 pairs: Tango's interval has z² / (n + z²) on each side."""
    low, high = limits_of([[0, 320, 0]], [-1.0, 0.0, 1.0], [1.0])
    assert (low, high) == pytest.approx((-(Z**2) / (320 + Z**2), Z**2 / (320 + Z**2)), abs=1e-6)


def test_categories_with_a_likelihood_maximised_by_search() -> None:
    """Two categories of shares with unequal weights; the lower limit is rejected by just z."""
    counts, weights = np.array([[3, 17], [6, 24]]), np.array([0.3, 0.7])
    low, _ = limits_of(counts.tolist(), [0.0, 1.0], weights.tolist())
    sizes = counts.sum(axis=1)

    def loss(first: float) -> float:
        shares = np.array([first, (low - weights[0] * first) / weights[1]])
        if not ((shares > 0) & (shares < 1)).all():
            return 1e9
        return -float((counts[:, 1] * np.log(shares) + counts[:, 0] * np.log(1 - shares)).sum())

    first = minimize(lambda x: loss(x[0]), [0.75], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12}).x[0]
    shares = np.array([first, (low - weights[0] * first) / weights[1]])
    error = math.sqrt(float((weights**2 * shares * (1 - shares) / sizes).sum()))
    assert (weights @ (counts[:, 1] / sizes) - low) / error == pytest.approx(Z, abs=1e-4)


@settings(max_examples=60)
@given(
    counts=st.lists(st.lists(st.integers(0, 12), min_size=3, max_size=3).filter(any), min_size=1, max_size=3),
    scale=st.floats(0.1, 5),
)
def test_limits_hold_the_estimate_and_turn_with_the_scale(counts: list[list[int]], scale: float) -> None:
    weights = [1 / len(counts)] * len(counts)
    low, high = limits_of(counts, [-1.0, 0.0, 1.0], weights)
    estimate = sum(w * (row[2] - row[0]) / sum(row) for w, row in zip(weights, counts, strict=True))
    assert -1 - 1e-9 <= low <= estimate + 1e-9
    assert estimate - 1e-9 <= high <= 1 + 1e-9
    assert high - low > 0
    mirrored = limits_of([row[::-1] for row in counts], [-1.0, 0.0, 1.0], weights)
    assert mirrored == pytest.approx((-high, -low), abs=1e-8)
    assert limits_of(counts, [-scale, 0.0, scale], weights) == pytest.approx((scale * low, scale * high), abs=1e-7)


def right(prompts: int, seeds: int = 1, categories: str = "a") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    items = np.repeat(np.arange(prompts * len(categories)), seeds)
    return np.ones(len(items)), items, np.repeat(list(categories), prompts * seeds)


@pytest.mark.parametrize("seeds", [1, 4])
def test_a_category_all_right_has_a_trial_a_prompt(seeds: int) -> None:
    result = stats.estimate(*right(80, seeds), {"a": 1.0})
    for estimate in (result.categories["a"], result.overall):
        assert (estimate.low, estimate.high) == pytest.approx((79 / (79 + Z**2), 1.0))
    wrong = stats.estimate(1 - right(80, seeds)[0], *right(80, seeds)[1:], {"a": 1.0}).overall
    assert (wrong.low, wrong.high) == pytest.approx((0.0, Z**2 / (79 + Z**2)))


def test_arms_that_never_differ_are_not_known_to_be_the_same() -> None:
    _, items, labels = right(80, 2, "abcdef")
    result = stats.estimate(np.zeros(len(items)), items, labels, SIX, limits=(-1.0, 1.0))
    assert -0.01 < result.overall.low < 0 < result.overall.high < 0.01
    assert result.categories["a"].high == pytest.approx(Z**2 / (79 + Z**2))


def test_images_of_a_prompt_that_are_all_alike_are_worth_one() -> None:
    """Each prompt four times over has the interval of one image each; independent images have a narrower one."""
    values = np.repeat([1.0, 0.0], [60, 20])
    once = stats.estimate(values, np.arange(80), np.full(80, "a"), {"a": 1.0}).overall
    alike = stats.estimate(np.repeat(values, 4), np.repeat(np.arange(80), 4), np.full(320, "a"), {"a": 1.0}).overall
    apart = np.random.default_rng(0).permutation(np.repeat(values, 4))
    independent = stats.estimate(apart, np.repeat(np.arange(80), 4), np.full(320, "a"), {"a": 1.0}).overall
    assert (alike.low, alike.high) == pytest.approx((once.low, once.high), abs=0.005)
    assert independent.high - independent.low < 0.65 * (once.high - once.low)


def test_without_limits_what_is_always_the_same_stays_so() -> None:
    values, items, labels = right(20)
    result = stats.estimate(12 * values, items, labels, {"a": 1.0}, limits=None).overall
    assert (result.low, result.value, result.high) == (12, 12, 12)


def test_without_limits_one_category_has_student_s_interval() -> None:
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(1).lognormal(size=9)
    result = stats.estimate(values, np.arange(9), np.full(9, "a"), {"a": 1.0}, limits=None)
    low, high = ttest_1samp(values, 0.0).confidence_interval()
    for estimate in (result.overall, result.categories["a"]):
        assert (estimate.low, estimate.high) == pytest.approx((low, high))
