"""The cluster bootstrap: prompts are drawn, with all their images, within their category."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, strata

RESAMPLES = 10_000
CHUNK = 4_000_000
"""Number of counts that are processed at a time: 32 MB."""
KEPT = 64_000_000
"""Up to this number, the counts of a category are kept for the next estimate: 64 MB each, for eight categories."""
MANY = 1000
"""Above this number of prompts, drawing prompt by prompt is faster than from the multinomial distribution."""


def resampled_sums(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Floats:
    """Sums of the columns (samples, columns) over the samples of each resample: (resamples, columns).

    Prompts are drawn within their category, with all their samples.
    """
    sums = [
        _drawn_sums(stratum.sums, place, seed, resamples)
        for place, stratum in enumerate(strata(columns, items, categories))
    ]
    return np.sum(sums, axis=0) if sums else np.zeros((resamples, 0))


def exact_in_single_precision(table: Floats) -> bool:
    """Whether sums over draws of prompts are exact in single precision, which takes half the time.

    A resample draws as many prompts as there are, so sums of whole numbers, such as counts of right images, are whole
    numbers below 2^24.
    """
    whole_numbers = bool((table == np.rint(table)).all())
    return whole_numbers and len(table) * float(np.abs(table).max(initial=0)) < 2**24


def forget_draws() -> None:
    """Drop the draws that are kept for the next estimate."""
    _kept_draws.cache_clear()


def _drawn_sums(table: Floats, place: int, seed: int, resamples: int) -> Floats:
    """Sums over the drawn prompts: (resamples, columns) from (prompts, columns)."""
    if len(table) * resamples > KEPT:
        return np.concatenate([draws @ table for draws in _draws(len(table), resamples, seed, place)])
    kept = _kept_draws(len(table), resamples, seed, place)
    size = max(1, CHUNK // len(table))
    dtype = np.dtype(np.float32 if exact_in_single_precision(table) else np.float64)
    factors = table.astype(dtype)
    parts = [np.matmul(kept[at : at + size].astype(dtype), factors) for at in range(0, resamples, size)]
    return np.concatenate(parts).astype(float)


def _draws(prompts: int, resamples: int, seed: int, place: int) -> Iterator[Floats]:
    """How often each prompt is drawn in each resample: (resamples, prompts), in chunks that do not affect the draws."""
    generator = np.random.default_rng([seed, place])
    share, left = np.full(prompts, 1 / prompts), resamples
    while left:
        size = min(left, max(1, CHUNK // prompts))
        if prompts <= MANY:
            yield generator.multinomial(prompts, share, size=size).astype(float)
        else:  # the same distribution
            drawn = generator.integers(prompts, size=(size, prompts)) + prompts * np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * prompts).reshape(size, prompts).astype(float)
        left -= size


@lru_cache(maxsize=8)
def _kept_draws(prompts: int, resamples: int, seed: int, place: int) -> npt.NDArray[np.uint8]:
    """The draws of all resamples, which the arms of a sweep and the parts of its report share.

    A byte per count suffices: no prompt is drawn 256 times.
    """
    drawn = np.concatenate([chunk.astype(np.uint8) for chunk in _draws(prompts, resamples, seed, place)])
    drawn.flags.writeable = False
    return drawn
