"""The cluster bootstrap: prompts are drawn, with all their images, within their category."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats, Stratum, strata

RESAMPLES = 10_000
CHUNK = 4_000_000
"""Counts that are worked on at once: 32 MB."""
KEPT = 64_000_000
"""Counts of a category that are kept for the next estimate: 64 MB, of eight categories."""
MANY = 1000


def resampled_means(stratum: Stratum, place: int, *, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """The mean of each column in each resample: (resamples, columns); NaN for a column with fewer than two prompts.

    ``place`` is the category's place among the categories: each has draws of its own. Columns that rest on the same
    prompts share them; what is drawn for a column are the prompts that have a value in it.
    """
    means = np.full((resamples, stratum.sums.shape[1]), np.nan)
    patterns, which = np.unique(stratum.counts > 0, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        own = np.flatnonzero(which == number)
        if pattern.sum() > 1:
            both = np.concatenate([stratum.sums[pattern][:, own], stratum.counts[pattern][:, own]], axis=1)
            drawn = _drawn_sums(both, place, seed, resamples)
            means[:, own] = drawn[:, : len(own)] / drawn[:, len(own) :]
    return means


def resampled_sums(
    columns: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Floats:
    """Sums of the columns (samples, m) over the samples of each resample: (resamples, m), prompts drawn as above."""
    found = [
        _drawn_sums(one.sums, place, seed, resamples) for place, one in enumerate(strata(columns, items, categories))
    ]
    return np.sum(found, axis=0) if found else np.zeros((resamples, 0))


def _drawn_sums(table: Floats, place: int, seed: int, resamples: int) -> Floats:
    if len(table) * resamples > KEPT:
        return np.concatenate([draws @ table for draws in _draws(len(table), resamples, seed, place)])
    kept = _kept_draws(len(table), resamples, seed, place)
    size = max(1, CHUNK // len(table))
    number = np.dtype(np.float32 if _fits(table) else np.float64)
    factors = table.astype(number)
    parts = [np.matmul(kept[at : at + size].astype(number), factors) for at in range(0, resamples, size)]
    return np.concatenate(parts).astype(float)


def _fits(table: Floats) -> bool:
    """Whether sums of draws are exact in single precision, too, which takes half the time: of rights and wrongs they
    are whole numbers, as many prompts being drawn as there are, below 2 to the 24th."""
    return bool((table == np.rint(table)).all()) and len(table) * float(np.abs(table).max(initial=0)) < 2**24


def _draws(prompts: int, resamples: int, seed: int, place: int) -> Iterator[Floats]:
    """How often each prompt is drawn in each resample: (resamples, prompts), in chunks; the same however chunked."""
    generator = np.random.default_rng([seed, place])
    share, left = np.full(prompts, 1 / prompts), resamples
    while left:
        size = min(left, max(1, CHUNK // prompts))
        if prompts <= MANY:
            yield generator.multinomial(prompts, share, size=size).astype(float)
        else:  # the same, faster where the prompts are many
            drawn = generator.integers(prompts, size=(size, prompts)) + prompts * np.arange(size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * prompts).reshape(size, prompts).astype(float)
        left -= size


@lru_cache(maxsize=8)
def _kept_draws(prompts: int, resamples: int, seed: int, place: int) -> npt.NDArray[np.uint8]:
    """All at once; the arms of a sweep, and the parts of its report, share them. No prompt is drawn 256 times."""
    drawn = np.concatenate([chunk.astype(np.uint8) for chunk in _draws(prompts, resamples, seed, place)])
    drawn.flags.writeable = False
    return drawn
