"""Parts of the variance against the truth they are simulated from, and what they say of larger runs."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from simulated import images, layout

from evalharness.analysis import stats
from evalharness.analysis.stats import variance

WEIGHTS = {"a": 0.25, "b": 0.75}


def test_examples() -> None:
    assert doctest.testmod(variance).failed == 0


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.7])
def test_prompts_and_seeds_as_they_were_simulated(correlation: float) -> None:
    """A score of share p has variance p(1 - p); its share of the correlation is the prompts'."""
    prompts, seeds, share = 1500, 4, 0.6
    items, labels = layout(prompts, seeds, "ab")
    values = images(np.random.default_rng(1), share, correlation, 2 * prompts, seeds, 1)[:, 0]
    components = stats.components(values, items, labels, WEIGHTS)
    scale = sum(weight**2 for weight in WEIGHTS.values()) * share * (1 - share) / prompts
    assert components.prompts == pytest.approx(correlation * scale, abs=0.04 * scale)
    assert components.seeds == pytest.approx((1 - correlation) * scale / seeds, rel=0.1)
    assert components.images == 4
    error = stats.estimate(values, items, labels, WEIGHTS).overall.se
    assert math.sqrt(components.total) == pytest.approx(error, rel=0.01 if correlation else 0.05)


def test_uneven_numbers_of_images_by_hand() -> None:
    """Prompts (1, 0) and (1, 1, 1): within 0.5 / 3, between Σ n (m - M)² = 2 × 0.09 + 3 × 0.04, n₀ = 5 - 13 / 5."""
    components = stats.components([1, 0, 1, 1, 1], list("xxyyy"), ["a"] * 5, {"a": 1.0})
    within, between = 0.5 / 3, 0.3 * (5 / 6) / (5 / 6)
    between = 2 * (0.5 - 0.8) ** 2 + 3 * (1 - 0.8) ** 2
    spread = (between - within) / (5 - 13 / 5)
    assert components.seeds == pytest.approx(within / 5)
    assert components.prompts == pytest.approx(spread * 13 / 25)


def test_one_image_a_prompt_cannot_tell_prompts_from_seeds() -> None:
    values = np.random.default_rng(2).integers(0, 2, 50).astype(float)
    components = stats.components(values, np.arange(50), np.full(50, "a"), {"a": 1.0})
    assert math.isnan(components.seeds)
    assert components.total == pytest.approx(values.var(ddof=1) / 50)
    assert math.isnan(stats.needed(components, 50, 0.1, 0.02).images)


def test_the_judge_s_part_is_taken_from_the_seeds() -> None:
    items, labels = layout(40, 3, "ab")
    values = images(np.random.default_rng(3), 0.6, 0.3, 80, 3, 1)[:, 0]
    without_judge = stats.components(values, items, labels, WEIGHTS)
    parts = stats.components(values, items, labels, WEIGHTS, judge=without_judge.seeds / 4)
    assert parts.total == pytest.approx(without_judge.total)
    assert parts.seeds == pytest.approx(without_judge.seeds * 3 / 4)
    assert stats.components(values, items, labels, WEIGHTS, judge=1.0).seeds == 0


def test_what_is_needed_is_enough_and_no_more() -> None:
    parts = stats.Components(prompts=4e-5, seeds=6e-5, judge=0.0, images=4.0)
    difference, shown = 0.025, 0.035
    needed = stats.needed(parts, 500, shown, difference)
    allowed = parts.total * (difference / shown) ** 2
    assert parts.total * 500 / needed.prompts <= allowed < parts.total * 500 / (needed.prompts - 1)
    more = parts.prompts + parts.seeds * 4 / needed.images
    less = parts.prompts + parts.seeds * 4 / (needed.images - 1)
    assert more <= allowed < less
    present = stats.needed(parts, 500, shown, shown)
    assert (present.prompts, present.images) == (500, 4)


def test_no_number_of_images_makes_up_for_too_few_prompts() -> None:
    parts = stats.Components(prompts=4e-4, seeds=1e-4, judge=0.0, images=4.0)
    assert stats.needed(parts, 500, 0.06, 0.02).images == math.inf
