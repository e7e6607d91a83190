"""Could the difference be chance? Sign flips of whole prompts, and McNemar's test."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, columns_of, strata

PERMUTATIONS = 10_000
EXACT = 13
"""With so few prompts that differ, all their sign flips are fewer than 10,000: they are enumerated."""
CHUNK = 4_000_000


def sign_flip(
    differences: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Floats:
    """Two-sided p-values of weighted mean differences, one a column of ``differences`` (samples, columns).

    If two arms do not differ, each prompt's difference could as well have had the other sign: they are flipped for
    whole prompts, with all their images, and the p-value is the share of flips whose weighted mean is as far from 0,
    the one that was observed counted among them (Phipson & Smyth, 2010). NaN where a category with a weight is empty.
    """
    table = columns_of(differences)
    parts, empty = [], np.zeros(table.shape[1], dtype=bool)
    for one in strata(table, items, categories, [name for name, weight in weights.items() if weight]):
        counts = one.counts.sum(axis=0)
        empty |= counts == 0
        parts.append(weights[one.name] * one.sums / np.maximum(counts, 1))
    shares = np.concatenate(parts) if parts else np.zeros((0, table.shape[1]))
    found = np.array([_exact(column) if _few(column) else math.nan for column in shares.T])
    sampled = np.flatnonzero(np.isnan(found))
    if len(sampled):
        found[sampled] = _sampled(shares[:, sampled], seed, permutations)
    found[empty] = math.nan
    return found


def mcnemar(fixed: int, broken: int) -> float:
    """The exact two-sided p-value: of the prompts that differ, is half fixed and half broken (McNemar, 1947)?

    >>> round(mcnemar(8, 1), 4)
    0.0391
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(fixed, broken), fixed + broken, 0.5)))


def _few(column: Floats) -> bool:
    return bool(np.count_nonzero(column) <= EXACT)


def _exact(column: Floats) -> float:
    sums = np.zeros(1)
    for share in column[column != 0]:
        sums = np.concatenate([sums + share, sums - share])
    return float(np.mean(_as_far(sums, column.sum())))


def _sampled(shares: Floats, seed: int, permutations: int) -> Floats:
    generator = np.random.default_rng([seed, len(shares)])
    observed, hits, left = shares.sum(axis=0), np.zeros(shares.shape[1]), permutations
    bits = -(-len(shares) // 8)
    while left:
        size = min(left, max(1, CHUNK // max(shares.shape)))
        raw = np.frombuffer(generator.bytes(size * bits), dtype=np.uint8).reshape(size, bits)
        heads = np.unpackbits(raw, axis=1, count=len(shares)).astype(float)
        hits += _as_far(2 * (heads @ shares) - observed, observed).sum(axis=0)
        left -= size
    found: Floats = (hits + 1) / (permutations + 1)
    return found


def _as_far(sums: Floats, observed: Floats | float) -> npt.NDArray[np.bool_]:
    """As far from 0, but for rounding."""
    found: npt.NDArray[np.bool_] = np.abs(sums) >= np.abs(observed) - 1e-12
    return found
