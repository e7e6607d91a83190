"""Which true difference a run like this one would tell apart, by simulating runs and the rule that decides.

A simulated run draws prompts of this run anew, within their category and with all their images. Each prompt's
differences get a random sign, so that the arms do not differ on average but vary as they did. A true difference is made
by giving more prompts the same sign; once all have it, by letting more prompts differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats.clusters import Floats
from evalharness.analysis.stats.intervals import SIGNIFICANCE
from evalharness.analysis.stats.permutation import sign_flip
from evalharness.analysis.stats.scores import overall_limits

POWER = 0.8
"""The probability with which the smallest detectable difference is told apart."""
RUNS = 150
"""Simulated runs for each true difference: the probability has a standard error of about three points."""
FLIPS = 1999
FACTOR, HALVINGS = 1.6, 3
"""Differences are tried in steps of this factor, then between two steps so many times more."""


def smallest_shown(
    differences: npt.ArrayLike,
    items: npt.ArrayLike,
    categories: npt.ArrayLike,
    weights: Mapping[str, float],
    *,
    tests: int = 1,
    prompts: Mapping[str, int] | None = None,
    seed: int = 0,
) -> float:
    """The smallest true difference that is told apart with a probability of 0.8.

    Told apart is what :func:`~evalharness.analysis.stats.intervals.significant` says: the interval excludes 0, and the
    p-value by sign flips is at most 0.05 when corrected for all ``tests`` of its family, of which the others show
    nothing.

    Args:
        differences: (samples,), NaN where a pair is incomplete.
        items: The prompt id of each sample.
        categories: The category of each sample.
        weights: Category → its weight.
        tests: The number of tests in the family.
        prompts: Category → the number of prompts of the simulated runs, by default that of this run.
        seed: The seed of the simulation.

    Returns:
        The difference; NaN if a category with a weight has fewer than two prompts, or if even the largest difference
        would be told apart too seldom.
    """
    runs = _simulated(
        np.asarray(differences, dtype=float), np.asarray(items), np.asarray(categories), weights, prompts, seed
    )
    if runs is None:
        return math.nan
    low, high = 0.0, min(1.0, 3.0 * runs.error() + 4.0 / len(runs.categories))
    while runs.told_apart(high, tests) < POWER:
        if high >= 1:
            return math.nan
        low, high = high, min(1.0, FACTOR * high)
    while low == 0.0:
        smaller = high / FACTOR
        if smaller < 1e-6 or runs.told_apart(smaller, tests) < POWER:
            low = smaller
        else:
            high = smaller
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if runs.told_apart(middle, tests) < POWER else (low, middle)
    return high


@dataclass(frozen=True)
class _Runs:
    """Simulated runs.

    ``upwards``: (prompts, images, runs), differences that are turned so that no prompt's mean is below 0; NaN where a
    prompt has fewer images. ``ranks`` and ``more``: (prompts, runs), uniform in 0..1, decide the signs and which other
    prompts differ, the same for all true differences. ``typical``: how far a prompt differs that does.
    """

    upwards: Floats
    categories: npt.NDArray[np.str_]
    weights: Mapping[str, float]
    ranks: Floats
    more: Floats
    typical: float

    def error(self) -> float:
        """The standard error of the difference."""
        squares = np.nanmean(self.upwards, axis=1) ** 2
        parts = [
            weight**2 * squares[self.categories == name].mean() / (self.categories == name).sum()
            for name, weight in self.weights.items()
        ]
        return math.sqrt(float(sum(parts)))

    def told_apart(self, difference: float, tests: int) -> float:
        """The share of the runs in which this true difference is told apart."""
        table = self._with(difference)
        images = self.upwards.shape[1]
        labels = np.repeat(np.arange(len(self.categories)), images), np.repeat(self.categories, images)
        passed = sign_flip(table, *labels, self.weights, permutations=FLIPS) * tests <= SIGNIFICANCE
        if passed.mean() < POWER:
            return float(passed.mean())
        limits = overall_limits(table[:, passed], *labels, self.weights, limits=(-1.0, 1.0))
        return float((limits[:, 0] > 0).sum() / len(passed))

    def _with(self, difference: float) -> Floats:
        """The differences of the images with this true difference, (prompts × images, runs)."""
        means = np.nanmean(self.upwards, axis=1)
        reach, room = self._overall(means), self.typical * self._overall((means == 0).astype(float))
        upwards = (1 + (min(1.0, difference / reach) if reach > 0 else 0.0)) / 2
        values = self.upwards * np.where(self.ranks < upwards, 1.0, -1.0)[:, None]
        if difference > reach and room > 0:
            chosen = (means == 0) & (self.more < (difference - reach) / room)
            values = np.where(chosen[:, None] & ~np.isnan(values), self.typical, values)
        table: Floats = values.reshape(-1, values.shape[-1])
        return table

    def _overall(self, values: Floats) -> float:
        """The weighted mean over categories of values of prompts, (prompts, runs)."""
        return float(sum(weight * values[self.categories == name].mean() for name, weight in self.weights.items()))


def _simulated(
    differences: Floats,
    items: npt.NDArray[np.generic],
    categories: npt.NDArray[np.generic],
    weights: Mapping[str, float],
    prompts: Mapping[str, int] | None,
    seed: int,
) -> _Runs | None:
    """Draw the runs; ``None`` if a category with a weight has fewer than two prompts."""
    generator = np.random.default_rng([seed, 7])
    counted = {name: weight for name, weight in weights.items() if weight}
    width = int(np.unique(items, return_counts=True)[1].max()) if len(items) else 0
    drawn, labels, typical = [], [], []
    for name in counted:
        table = _by_prompt(differences, items, (categories == name) & ~np.isnan(differences), width)
        count = len(table) if prompts is None else prompts.get(name, 0)
        if len(table) < 2 or count < 2:
            return None
        means = np.nanmean(table, axis=1)
        typical += np.abs(means[means != 0]).tolist()
        chosen = generator.integers(len(table), size=(count, RUNS))
        drawn.append((table * np.where(means < 0, -1.0, 1.0)[:, None])[chosen].transpose(0, 2, 1))
        labels += [str(name)] * count
    if not drawn:
        return None
    upwards = np.concatenate(drawn)
    ranks, more = generator.random((2, len(labels), RUNS))
    size = float(np.mean(typical)) if typical else 1.0 / width
    return _Runs(upwards, np.array(labels), counted, ranks, more, size)


def _by_prompt(
    differences: Floats, items: npt.NDArray[np.generic], inside: npt.NDArray[np.bool_], width: int
) -> Floats:
    """The differences as (prompts, images), NaN where a prompt has fewer images."""
    _, prompt, counts = np.unique(items[inside], return_inverse=True, return_counts=True)
    order = np.argsort(prompt, kind="stable")
    place = np.concatenate([np.arange(count) for count in counts]) if len(counts) else np.zeros(0, dtype=int)
    table = np.full((len(counts), width), math.nan)
    table[prompt[order], place] = differences[inside][order]
    return table
