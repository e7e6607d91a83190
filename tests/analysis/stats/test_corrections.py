from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalharness.analysis import stats
from evalharness.analysis.stats import corrections

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_examples() -> None:
    assert doctest.testmod(corrections).failed == 0


@given(P_VALUES)
def test_holm_as_of_statsmodels(p_values: list[float]) -> None:
    assert stats.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@given(P_VALUES)
def test_benjamini_hochberg_as_of_statsmodels(p_values: list[float]) -> None:
    assert stats.benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


@pytest.mark.parametrize("correct", [stats.holm, stats.benjamini_hochberg])
def test_what_is_not_known_is_no_part_of_the_family(correct: object) -> None:
    assert callable(correct)
    adjusted = correct([0.01, math.nan, 0.04])
    assert math.isnan(adjusted[1])
    assert adjusted[[0, 2]].tolist() == correct([0.01, 0.04]).tolist()
    assert np.asarray(correct([])).tolist() == []
