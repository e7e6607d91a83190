"""Score intervals of weighted sums of category means, for values between known limits.

The limits are the values θ of the sum that a score test would not reject. For a value θ the distribution of each
category is the likeliest one with Σ weight × mean = θ, over the values that were seen and the two limits of the scale,
which may occur although they were not seen. The variance under that distribution is what the distance of θ from the
estimate is measured in. So the interval has a width where all values are equal, and it respects the limits.

For a share it is Wilson's interval (*Journal of the American Statistical Association* 22, 1927), for paired differences
of 0 and 1 Tango's (*Statistics in Medicine* 17, 1998), for several categories the stratified one of Miettinen and
Nurminen (*Statistics in Medicine* 4, 1985), with their factor n / (n - 1). Score intervals hold rare events too seldom
on one side, where the estimate is skewed; there the limit is moved outwards by the correction of Gart and Nam
(*Biometrics* 44, 1988). The correction never narrows an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats

NEWTON_STEPS = 40
BISECTIONS = 60
BRACKET = (-6.0, 12.0)
"""Decimal logarithms between which the multiplier of the constraint is sought."""
TINY = 1e-12


@dataclass(frozen=True)
class Observed:
    """The values seen in each category, for some columns.

    ``values``: (categories, values), the distinct values of a category.
    ``shares``: (columns, categories, values), the share of each among the category's values; 0 for one that is absent.
    ``sizes``: (columns, categories), the number of independent values.
    ``weights``: (categories,).
    """

    values: Floats
    shares: Floats
    sizes: Floats
    weights: Floats


def score_limits(observed: Observed, limits: tuple[float, float], level: float) -> tuple[Floats, Floats]:
    """The lower and the upper limit for each column, both (columns,).

    ``limits`` are the least and the greatest possible value.
    """
    span = limits[1] - limits[0]
    below, above = (
        _distance(values / span, observed, level)
        for values in (observed.values - limits[0], limits[1] - observed.values)
    )
    total = observed.weights.sum()
    return limits[0] * total + span * below, limits[1] * total - span * above


def _distance(heights: Floats, observed: Observed, level: float) -> Floats:
    """The limit on one side for each column, as its distance from that end of the scale, by bisection.

    ``heights`` are the distances of the values from that end, in 0..1.
    """
    from scipy.special import ndtri

    quantile = float(ndtri((1 + level) / 2))
    estimate = (observed.shares * heights).sum(axis=-1) @ observed.weights
    near, far = (np.full(len(estimate), end) for end in BRACKET)
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        rejected = _rejected(observed, heights, estimate, middle, quantile)[1]
        near, far = np.where(rejected, near, middle), np.where(rejected, middle, far)
    total = _rejected(observed, heights, estimate, far, quantile)[0]
    return np.where(estimate <= TINY, 0.0, np.minimum(total, estimate))


def _rejected(
    observed: Observed, heights: Floats, estimate: Floats, exponents: Floats, quantile: float
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The sum under the likeliest distribution for each multiplier, and whether the test rejects it."""
    pull = 10.0 ** exponents[:, None] * observed.weights / observed.sizes
    means, variances, thirds = _tilted(heights, observed.shares, pull)
    total = means @ observed.weights
    variance = (observed.weights**2 * variances / observed.sizes).sum(axis=-1)
    third = (observed.weights**3 * thirds / observed.sizes**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (estimate - total) / np.sqrt(variance)
        skewness = np.where(variance > 0, third / variance**1.5, 0.0)
    distance = np.where(variance > 0, distance, np.where(estimate - total > TINY, np.inf, 0.0))
    return total, distance >= quantile + (quantile**2 - 1) / 6 * np.maximum(skewness, 0.0)


def _tilted(heights: Floats, shares: Floats, pull: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, variance and third central moment of each category when pulled down, all (columns, categories).

    ``heights`` are distances from the least value. The likeliest distribution with a smaller mean gives a value the
    probability share / (pull × (height + shift)). The shift is the one with which they sum to 1; where it would be
    below 0, the least value takes what is left.
    """
    present, positive = shares > 0, pull > 0
    pull = np.where(positive, pull, TINY)
    mean = (shares * heights).sum(axis=-1)
    lowest = np.where(heights <= TINY, shares, 0.0).sum(axis=-1)
    shift = np.maximum(np.maximum(1 / pull - mean, lowest / pull), 0.0)
    for _ in range(NEWTON_STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(present, shares / (heights + shift[..., None]), 0.0)
            inverse = ratios.sum(axis=-1)
            slope = np.where(present, ratios / (heights + shift[..., None]), 0.0).sum(axis=-1) / inverse**2
            step = (1 / pull - 1 / inverse) / slope
        step = np.where(np.isfinite(step), np.maximum(step, 0.0), 0.0)
        shift = shift + step
        if (step <= 1e-14 * (1 + shift)).all():
            break
    with np.errstate(divide="ignore", invalid="ignore"):
        chances = shares / (pull[..., None] * (heights + shift[..., None]))
    chances = np.where(present & np.isfinite(chances), chances, 0.0)
    reached = np.minimum((chances * heights).sum(axis=-1), mean)
    rest, gaps = np.maximum(1 - chances.sum(axis=-1), 0.0), heights - reached[..., None]
    variance = (chances * gaps**2).sum(axis=-1) + rest * reached**2
    third = (chances * gaps**3).sum(axis=-1) - rest * reached**3
    return reached, variance, third
