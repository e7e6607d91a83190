"""Tests whether a difference could be chance: sign flips of whole prompts, and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, columns_of, strata

PERMUTATIONS = 10_000
EXACT = 13
"""Up to this number of prompts that differ, all their sign flips (at most 2^13) are enumerated."""
CHUNK = 4_000_000
"""Number of signs that are drawn at a time."""


def sign_flip(
    differences: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Floats:
    """Two-sided p-values of weighted mean differences, one for each column.

    If two arms do not differ, the difference of each prompt could as well have had the other sign. Signs are flipped
    for whole prompts, with all their images. The p-value is the share of flips whose weighted mean is at least as far
    from 0 as the observed one, which is counted among them (Phipson & Smyth, *Statistical Applications in Genetics and
    Molecular Biology* 9, 2010).

    Args:
        differences: (samples, columns), or (samples,) for one column; NaN where a sample has none.
        items: The prompt id of each sample.
        categories: The category of each sample.
        weights: Category → its weight.
        seed: The seed of the drawn flips.
        permutations: The number of flips to draw if there are too many to enumerate.

    Returns:
        (columns,); NaN if a category with a weight is empty.
    """
    table = columns_of(differences)
    parts, empty = [], np.zeros(table.shape[1], dtype=bool)
    for stratum in strata(table, items, categories, [name for name, weight in weights.items() if weight]):
        counts = stratum.counts.sum(axis=0)
        empty |= counts == 0
        parts.append(weights[stratum.name] * stratum.sums / np.maximum(counts, 1))
    shares = np.concatenate(parts) if parts else np.zeros((0, table.shape[1]))
    few = np.count_nonzero(shares, axis=0) <= EXACT
    p_values = np.full(table.shape[1], math.nan)
    p_values[few] = [_exact(column) for column in shares.T[few]]
    if not few.all():
        p_values[~few] = _sampled(shares[:, ~few], seed, permutations)
    p_values[empty] = math.nan
    return p_values


def mcnemar(fixed: int, broken: int) -> float:
    """The exact two-sided p-value of the hypothesis that a prompt that differs is fixed or broken with equal chance.

    McNemar, *Psychometrika* 12, 1947.

    >>> round(mcnemar(8, 1), 4)
    0.0391
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(fixed, broken), fixed + broken, 0.5)))


def _exact(column: Floats) -> float:
    """The p-value of one column of prompts' contributions, over all flips."""
    sums = np.zeros(1)
    for share in column[column != 0]:
        sums = np.concatenate([sums + share, sums - share])
    return float(np.mean(_as_far(sums, column.sum())))


def _sampled(shares: Floats, seed: int, permutations: int) -> Floats:
    """The p-values of columns of prompts' contributions (prompts, columns), over flips that all columns share."""
    generator = np.random.default_rng([seed, len(shares)])
    observed, hits, left = shares.sum(axis=0), np.zeros(shares.shape[1]), permutations
    bits = -(-len(shares) // 8)
    while left:
        size = min(left, max(1, CHUNK // max(shares.shape)))
        raw = np.frombuffer(generator.bytes(size * bits), dtype=np.uint8).reshape(size, bits)
        heads = np.unpackbits(raw, axis=1, count=len(shares)).astype(float)
        hits += _as_far(2 * (heads @ shares) - observed, observed).sum(axis=0)
        left -= size
    p_values: Floats = (hits + 1) / (permutations + 1)
    return p_values


def _as_far(sums: Floats, observed: Floats | float) -> npt.NDArray[np.bool_]:
    """Whether sums are at least as far from 0 as the observed ones, up to rounding."""
    as_far: npt.NDArray[np.bool_] = np.abs(sums) >= np.abs(observed) - 1e-12
    return as_far
