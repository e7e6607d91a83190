"""Samples grouped by prompt: estimates, resamples and sign flips need only the sum and count of each prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stratum:
    """The prompts of one category.

    ``sums`` and ``counts`` are (prompts, columns); a column is an arm or a difference of two arms. A prompt without a
    value in a column has count 0 there.
    """

    name: str
    sums: Floats
    counts: Floats

    @property
    def means(self) -> Floats:
        """The mean over the samples of each column; NaN for a column without samples."""
        with np.errstate(invalid="ignore"):
            means: Floats = self.sums.sum(axis=0) / self.counts.sum(axis=0)
        return means

    @property
    def prompts(self) -> Floats:
        """The number of prompts with a value in each column."""
        prompts: Floats = (self.counts > 0).sum(axis=0).astype(float)
        return prompts

    @property
    def variances(self) -> Floats:
        """The variance of each mean, clustered by prompt: n / (n - 1) Σ (sum - mean × count)² / (Σ count)².

        The variance of the linearised ratio (Cochran, *Sampling Techniques*, 1977, section 9A), which is the
        cluster-robust variance (CR1) of the category's intercept that arXiv 2411.00640 recommends. NaN with fewer than
        two prompts.
        """
        prompts = self.prompts
        with np.errstate(invalid="ignore", divide="ignore"):
            residuals = self.sums - np.nan_to_num(self.means) * self.counts
            scale = np.where(prompts > 1, prompts / (prompts - 1), np.nan)
            variances: Floats = scale * (residuals**2).sum(axis=0) / self.counts.sum(axis=0) ** 2
        return variances


def columns_of(values: npt.ArrayLike) -> Floats:
    """The values as (samples, columns); a single column may be given as (samples,)."""
    table = np.asarray(values, dtype=float)
    return table[:, None] if table.ndim == 1 else table


def strata(
    columns: npt.ArrayLike, items: npt.ArrayLike, categories: npt.ArrayLike, names: Iterable[str] | None = None
) -> Iterator[Stratum]:
    """The strata in the order of ``names``, by default of all categories; prompts in the order of their ids."""
    table, prompts, labels = columns_of(columns), np.asarray(items), np.asarray(categories)
    for name in np.unique(labels) if names is None else names:
        inside = labels == name
        yield Stratum(str(name), *_grouped(table[inside], prompts[inside]))


def _grouped(table: Floats, items: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """The sum and the number of the values of each item, both (items, columns)."""
    if not len(table):
        return np.zeros((0, table.shape[1])), np.zeros((0, table.shape[1]))
    _, cluster = np.unique(items, return_inverse=True)
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    present = ~np.isnan(table)
    sums = np.add.reduceat(np.where(present, table, 0.0)[order], starts, axis=0)
    return sums, np.add.reduceat(present.astype(float)[order], starts, axis=0)
