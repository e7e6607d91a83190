"""How many independent images a category's images are worth.

Images of one prompt resemble each other. If they were all alike, a category would be worth as many images as it has
prompts; if they were independent, as many as it has images. The effective number is the one at which a simple mean
would have the variance that is observed between prompts (Korn & Graubard, *Survey Methodology* 24, 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalharness.analysis.stats.clusters import Floats, Stratum

SAME = 1e-12
"""Means that differ by less are equal up to rounding."""


ADDED = 0.5
"""How much a prompt whose images are all alike counts that is added to those that deviate."""


@dataclass(frozen=True)
class Spread:
    """The distribution of a category's values over its images and prompts, for some columns.

    ``values``: (values,), the distinct values of all columns; ``shares``: (columns, values), how frequent each is.
    ``images`` and ``prompts``: (columns,), their numbers, the latter reduced if prompts have unequal numbers of images.
    ``alone``: the variance of the mean if all images were independent; ``clustered``: the one between prompts.
    ``deviating``: the number of prompts whose mean is not the most frequent one.
    """

    values: Floats
    shares: Floats
    images: Floats
    prompts: Floats
    alone: Floats
    clustered: Floats
    deviating: Floats


def spread(table: Floats, stratum: Stratum) -> Spread:
    """The spread of the values of a category, (samples, columns), whose prompts are those of ``stratum``."""
    present = ~np.isnan(table)
    values = np.unique(table[present]) if present.any() else np.zeros(1)
    codes = np.searchsorted(values, np.where(present, table, values[0]))
    columns = table.shape[1]
    offsets = codes + len(values) * np.arange(columns)
    counts = np.bincount(offsets[present], minlength=columns * len(values)).reshape(columns, len(values)).astype(float)
    images = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(counts / images[:, None])
        variance = (shares * values**2).sum(axis=1) - ((shares * values).sum(axis=1)) ** 2
        alone = np.maximum(variance, 0.0) / (images - 1)
        prompts = images**2 / (stratum.counts**2).sum(axis=0)
    prompts = np.where(stratum.prompts > 1, np.nan_to_num(prompts), 0.0)
    return Spread(values, shares, images, prompts, alone, stratum.variances, _deviating(stratum))


def effective_sizes(parts: Sequence[Spread], weights: Floats) -> Floats:
    """The effective number of images of each category, (columns, categories); 0 with fewer than two prompts.

    All categories share the ratio of the two variances of their weighted sum, which one category alone would often
    have too few prompts for. It rests on the prompts that deviate; half of one more is added to them, whose images are
    all alike, so that few of them cannot make images seem independent by chance.
    """
    images, prompts = (np.stack([getattr(part, name) for part in parts], axis=1) for name in ("images", "prompts"))
    alone, clustered = (
        np.stack([getattr(part, name) for part in parts], axis=1) @ weights**2 for name in ("alone", "clustered")
    )
    deviating = np.sum([part.deviating for part in parts], axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = images.sum(axis=1) / prompts.sum(axis=1)
        ratio = np.where(alone > 0, np.clip(clustered / alone, 1.0, largest), largest)
        ratio = (deviating * ratio + ADDED * largest) / (deviating + ADDED)
        sizes = images / ratio[:, None]
    return np.where(prompts > 0, np.clip(sizes, prompts, np.maximum(images, prompts)), 0.0)


def _deviating(stratum: Stratum) -> Floats:
    """For each column the number of prompts whose mean is not that of most."""
    numbers = np.zeros(stratum.sums.shape[1])
    for column in range(len(numbers)):
        present = stratum.counts[:, column] > 0
        means = np.round(stratum.sums[present, column] / stratum.counts[present, column], 9)
        if len(means):
            numbers[column] = len(means) - np.unique(means, return_counts=True)[1].max()
    return numbers
