"""Against worked examples, scikit-learn where it is installed, and judges that are simulated."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from evalharness.analysis.agreement import agreement, flip_rate, reply_variance

NAN = math.nan


def square(counts: list[list[int]], values: list[float]) -> tuple[list[float], list[float]]:
    """Pairs of values as a table counts them: rows the first judge's, columns the second's."""
    first = [a for a, row in zip(values, counts, strict=True) for _ in range(sum(row))]
    second = [b for row in counts for b, count in zip(values, row, strict=True) for _ in range(count)]
    return first, second


def of(first: list[float], second: list[float]) -> float:
    return agreement(first, second, list(range(len(first)))).kappa.value


def test_a_worked_example_of_bits() -> None:
    """20 both, 5 and 10 one alone, 15 neither: agreement 0.7, by chance 0.5, so 0.4."""
    first, second = square([[20, 5], [10, 15]], [1.0, 0.0])
    agreed = agreement(first, second, list(range(50)))
    assert agreed.same.value == pytest.approx(0.7)
    assert agreed.kappa.value == pytest.approx(0.4)
    assert (agreed.samples, agreed.items, agreed.first, agreed.second) == (50, 50, 0.5, 0.6)
    assert agreed.kappa.low < 0.4 < agreed.kappa.high


def test_a_worked_example_of_three_values() -> None:
    """Quadratic weights: observed 0.1 x 1/4 + ..., by hand from the table's margins."""
    counts = np.array([[10, 3, 1], [2, 8, 4], [0, 5, 7]])
    values = np.array([0.0, 0.5, 1.0])
    distance = (values[:, None] - values[None, :]) ** 2
    shares = counts / counts.sum()
    by_chance = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    expected = 1 - (distance * shares).sum() / (distance * by_chance).sum()
    assert of(*square(counts.tolist(), [0.0, 0.5, 1.0])) == pytest.approx(expected)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
def test_the_kappa_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the extra judge")
    first, second = [a / 4 for a, _ in pairs], [b / 4 for _, b in pairs]
    mine = of(first, second)
    if math.isnan(mine):
        assert len({*first, *second}) == 1
        return
    labels = [a for a, _ in pairs], [b for _, b in pairs]
    assert mine == pytest.approx(metrics.cohen_kappa_score(*labels, weights="quadratic", labels=range(5)))
    bits = [int(a > 1) for a, _ in pairs], [int(b > 1) for _, b in pairs]
    if len({*bits[0], *bits[1]}) == 2:
        assert of(*bits) == pytest.approx(metrics.cohen_kappa_score(*bits))  # type: ignore[arg-type]


def test_missing_values_are_left_out() -> None:
    agreed = agreement([1, NAN, 0, 1], [1, 1, NAN, 0], list("wxyz"))
    assert (agreed.samples, agreed.items, agreed.same.value) == (2, 2, 0.5)
    assert agreement([NAN], [1], ["x"]).samples == 0
    assert math.isnan(agreement([], [], []).kappa.value)


def test_chance_alone_has_no_kappa() -> None:
    agreed = agreement([1, 1, 1], [1, 1, 1], list("xyz"))
    assert agreed.same.value == 1
    assert math.isnan(agreed.kappa.value)


def wilson(count: int) -> float:
    """The upper limit of the rate of an event that was not seen in so many trials, by Wilson's interval."""
    square = 1.959964**2
    return square / (count + square)


def test_perfect_agreement_is_not_certainty() -> None:
    """Of 60 prompts none differed: 6 % may, and kappa is that much less sure."""
    values = [0.0, 1.0] * 30
    agreed = agreement(values, values, list(range(60)))
    assert (agreed.same.value, agreed.same.high) == (1, 1)
    assert agreed.same.low == pytest.approx(1 - wilson(60), abs=0.002)
    assert (agreed.kappa.value, agreed.kappa.high) == (1, 1)
    assert agreed.kappa.low == pytest.approx(1 - wilson(60) / 0.5, abs=0.004)


def test_images_of_a_prompt_that_are_judged_alike_count_once() -> None:
    """Ten images of a prompt that are judged alike are one observation, not ten."""
    generator = np.random.default_rng(0)
    x, y = (generator.random(40) < 0.5).astype(float), (generator.random(40) < 0.5).astype(float)
    once = agreement(x, y, np.arange(40))
    tenfold = agreement(np.repeat(x, 10), np.repeat(y, 10), np.repeat(np.arange(40), 10))
    assert tenfold.kappa.value == pytest.approx(once.kappa.value)
    assert (tenfold.kappa.low, tenfold.kappa.high) == pytest.approx((once.kappa.low, once.kappa.high))


def test_the_interval_covers_as_often_as_it_says() -> None:
    """200 pairs of judges who both see one truth, each wrong one time in ten; kappa of endless prompts is 0.64."""
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        truth = generator.random(150) < 0.5
        wrong = generator.random((2, 150)) < 0.1
        first, second = (truth ^ wrong[0]).astype(float), (truth ^ wrong[1]).astype(float)
        kappa = agreement(first, second, np.arange(150)).kappa
        inside += kappa.low <= 0.64 <= kappa.high
    assert 0.91 <= inside / 200 <= 0.98


def test_flips_are_pairs_that_differ() -> None:
    values = [[1, 1, 1], [1, 0, 1], [0, 1, NAN], [1, NAN, NAN]]
    rate = flip_rate(values, list("wxyz"))
    assert rate.value == pytest.approx((0 + 2 / 3 + 1) / 3)
    assert math.isnan(flip_rate([[1, NAN]], ["x"]).value)
    assert math.isnan(flip_rate([[1, 0]], ["x"]).low)


def test_no_flip_is_not_certainty() -> None:
    rate = flip_rate([[1, 1]] * 60, list(range(60)))
    assert (rate.value, rate.low) == (0, 0)
    assert rate.high == pytest.approx(wilson(60), abs=0.002)
    always = flip_rate([[1, 0]] * 60, list(range(60)))
    assert (always.value, always.high) == (1, 1)
    assert always.low == pytest.approx(1 - wilson(60), abs=0.002)


def test_more_flips_have_higher_limits() -> None:
    rates = [flip_rate([[1, 0]] * flips + [[1, 1]] * (60 - flips), list(range(60))) for flips in range(6)]
    for fewer, more in itertools.pairwise(rates):
        assert fewer.high < more.high
        assert fewer.low <= more.low


def test_a_prompt_in_each_of_six_categories_leaves_much_open() -> None:
    agreed = agreement([1, 1, 1, 0, 0, 1], [1, 1, 1, 0, 1, 0], list(range(6)))
    assert agreed.same.high - agreed.same.low > 0.5
    assert agreed.kappa.high - agreed.kappa.low > 1


@pytest.mark.parametrize(("prompts", "rate"), [(6, 0.3), (12, 0.25), (30, 0.11), (60, 0.055), (60, 0.3)])
def test_the_interval_of_a_flip_rate_covers_as_often_as_it_says(prompts: int, rate: float) -> None:
    """Exact, over all numbers of flips."""
    covered = 0.0
    for flips in range(prompts + 1):
        estimate = flip_rate([[1, 0]] * flips + [[1, 1]] * (prompts - flips), list(range(prompts)))
        covered += binom.pmf(flips, prompts, rate) * (estimate.low <= rate <= estimate.high)
    assert covered >= 0.93


@given(st.lists(st.lists(st.sampled_from([0.0, 0.35, 1.0, NAN]), min_size=3, max_size=3), min_size=1, max_size=10))
def test_a_flip_rate_is_the_chance_that_two_replies_differ(values: list[list[float]]) -> None:
    shares = []
    for row in values:
        pairs = [(a, b) for i, a in enumerate(row) for b in row[i + 1 :] if not math.isnan(a) and not math.isnan(b)]
        if pairs:
            shares.append(sum(a != b for a, b in pairs) / len(pairs))
    rate = flip_rate(values, list(range(len(values))))
    assert rate.value == pytest.approx(np.mean(shares) if shares else NAN, nan_ok=True)


def test_the_variance_is_that_of_judging_again() -> None:
    """Images whose chance of a 1 is known, judged 4,000 times over; the estimate knows three replies of a third."""
    generator = np.random.default_rng(2)
    weights, counts = {"a": 0.7, "b": 0.3}, {"a": 300, "b": 120}
    chances = {name: generator.beta(0.4, 0.4, size=count) for name, count in counts.items()}
    again = np.zeros(4000)
    for name, weight in weights.items():
        again += weight * (generator.random((4000, counts[name])) < chances[name]).mean(axis=1)
    seen = [(generator.random((count // 3, 3)) < chances[name][: count // 3, None]) for name, count in counts.items()]
    categories = ["a"] * 100 + ["b"] * 40
    variance = reply_variance(np.concatenate(seen).astype(float), categories, weights, counts)
    exact = sum(
        weight**2 * (chances[name] * (1 - chances[name])).mean() / counts[name] for name, weight in weights.items()
    )
    assert np.var(again) == pytest.approx(exact, rel=0.1)
    assert variance == pytest.approx(exact, rel=0.25)


def test_the_variance_is_that_of_drawing_a_reply_of_each_sample() -> None:
    """The same as resampling the replies that are there, but for the known factor (k - 1) / k of a small sample."""
    generator = np.random.default_rng(3)
    values = generator.choice([0.0, 0.5, 1.0], size=(50, 4))
    drawn = values[np.arange(50), generator.integers(0, 4, size=(20_000, 50))].mean(axis=1)
    variance = reply_variance(values, ["a"] * 50, {"a": 1.0}, {"a": 50})
    assert np.var(drawn) == pytest.approx(variance * 3 / 4, rel=0.05)


def test_the_variance_needs_every_category_that_counts() -> None:
    counts = {"a": 2, "b": 2}
    assert math.isnan(reply_variance([[1, 0]], ["a"], {"a": 0.5, "b": 0.5}, counts))
    assert reply_variance([[1, 0]], ["a"], {"a": 1.0, "b": 0.0}, counts) == pytest.approx(0.25)
    assert math.isnan(reply_variance([[1, NAN]], ["a"], {"a": 1.0}, counts))
