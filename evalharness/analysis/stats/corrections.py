"""Corrections for multiple tests. Both return adjusted p-values in the given order; NaN stays NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


def holm(p_values: Sequence[float]) -> Floats:
    """Control the probability of any false finding in the family, whatever the dependence of the tests.

    Holm, *Scandinavian Journal of Statistics* 6, 1979.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    present, mask, order = _sorted(p_values)
    count = len(order)
    stepped = np.maximum.accumulate(present[order] * np.arange(count, 0, -1))
    return _unsorted(stepped, mask, order)


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Control the expected share of false findings among the findings.

    Benjamini & Hochberg, *Journal of the Royal Statistical Society B* 57, 1995.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    present, mask, order = _sorted(p_values)
    count = len(order)
    stepped = np.minimum.accumulate((present[order] * count / np.arange(1, count + 1))[::-1])[::-1]
    return _unsorted(stepped, mask, order)


def _sorted(p_values: Sequence[float]) -> tuple[Floats, Mask, Indices]:
    """The p-values that are not NaN, where those stand, and the order that sorts them."""
    values = np.asarray(p_values, dtype=float)
    mask = ~np.isnan(values)
    return values[mask], mask, np.argsort(values[mask], kind="stable")


def _unsorted(stepped: Floats, mask: Mask, order: Indices) -> Floats:
    present = np.empty(len(order))
    present[order] = np.minimum(stepped, 1.0)
    adjusted = np.full(len(mask), np.nan)
    adjusted[mask] = present
    return adjusted
