from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.analysis import stats
from evalharness.analysis.stats import repeated


def test_examples() -> None:
    assert doctest.testmod(repeated).failed == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_the_best_of_k_is_the_mean_over_all_subsets(scores: list[float]) -> None:
    expected = stats.best_of([scores])[0]
    for k in range(1, len(scores) + 1):
        every = [max(subset) for subset in itertools.combinations(scores, k)]
        assert expected[k - 1] == pytest.approx(np.mean(every))


def test_of_many_images_right_and_wrong_it_is_pass_at_k() -> None:
    right, images = 5, 300
    expected = stats.best_of([[1.0] * right + [0.0] * (images - right)])[0]
    for k in (1, 7, 100, 299):
        assert expected[k - 1] == pytest.approx(1 - math.comb(images - right, k) / math.comb(images, k))


def test_a_missing_image_leaves_its_prompt_out() -> None:
    assert np.isnan(stats.best_of([[1.0, math.nan]])).all()
