"""Sums of resamples in single precision, where they are whole numbers."""

from __future__ import annotations

import numpy as np
import pytest

from evalharness.analysis.stats import resampling


def test_sums_of_whole_numbers_are_the_same_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    items, labels = np.repeat(np.arange(300), 4), np.repeat(["a", "b", "c"], 400)
    right = (generator.random((1200, 5)) < 0.8).astype(float)
    single = resampling.resampled_sums(right, items, labels, resamples=500)
    monkeypatch.setattr(resampling, "exact_in_single_precision", lambda table: False)
    assert (resampling.resampled_sums(right, items, labels, resamples=500) == single).all()


def test_what_single_precision_would_round_is_left_alone() -> None:
    assert resampling.exact_in_single_precision(np.array([[4.0, 0.0], [3.0, -1.0]]))
    assert not resampling.exact_in_single_precision(np.array([[0.1], [1.0]])), "fractions"
    assert not resampling.exact_in_single_precision(np.full((1000, 1), 2.0**15)), "sums beyond 2 to the 24th"
    assert not resampling.exact_in_single_precision(np.array([[np.nan]]))
