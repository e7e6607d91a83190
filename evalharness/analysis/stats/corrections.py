"""Corrections for looking at several contrasts. Both return adjusted p-values in the order given; NaN stays NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


def holm(p_values: Sequence[float]) -> Floats:
    """Holm (1979): the chance of even one false finding in the family stays below the level, however they depend.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    found, there, order = _sorted(p_values)
    count = len(order)
    stepped = np.maximum.accumulate(found[order] * np.arange(count, 0, -1))
    return _unsorted(stepped, there, order)


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Benjamini & Hochberg (1995): the expected share of false findings among the findings stays below the level.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    found, there, order = _sorted(p_values)
    count = len(order)
    stepped = np.minimum.accumulate((found[order] * count / np.arange(1, count + 1))[::-1])[::-1]
    return _unsorted(stepped, there, order)


def _sorted(p_values: Sequence[float]) -> tuple[Floats, Mask, Indices]:
    given = np.asarray(p_values, dtype=float)
    there = ~np.isnan(given)
    return given[there], there, np.argsort(given[there], kind="stable")


def _unsorted(stepped: Floats, there: Mask, order: Indices) -> Floats:
    adjusted = np.full(len(there), np.nan)
    own = np.empty(len(order))
    own[order] = np.minimum(stepped, 1.0)
    adjusted[there] = own
    return adjusted
