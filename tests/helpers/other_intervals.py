"""Intervals of other kinds, for shares and paired differences of one category with one image per prompt.

Each is given all outcomes, and returns their limits, (outcomes, 2): of ``right`` of ``count`` images, or of ``fixed``
and ``broken`` pairs among ``count``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import beta, binom, norm, t

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Shares = Callable[[Ints, int], Floats]
Differences = Callable[[Ints, Ints, int], Floats]
Z = float(norm.ppf(0.975))
CORRECTION = (Z**2 - 1) / 6
RESAMPLES = 2000
STEPS = 4001


# --- shares ---


def wilson(right: Ints, count: int) -> Floats:
    share = right / count
    middle, reach = (share + Z**2 / 2 / count), Z * np.sqrt(share * (1 - share) / count + Z**2 / 4 / count**2)
    return np.stack([middle - reach, middle + reach], axis=1) / (1 + Z**2 / count)


def gart_nam(right: Ints, count: int) -> Floats:
    """Wilson's with the whole correction for skewness, inwards as well."""

    def upper(seen: int) -> float:
        if seen == count:
            return 1.0
        share = np.linspace(seen / count, 1, STEPS)[1:-1]
        error = np.sqrt(share * (1 - share) / count)
        distance = (share - seen / count) / error + CORRECTION * (1 - 2 * share) / (count * error)
        return _last(share, distance < Z, seen / count)

    ends = {seen: upper(seen) for seen in range(count + 1)}
    return np.array([[1 - ends[count - seen], ends[seen]] for seen in right])


def mid_p(right: Ints, count: int) -> Floats:
    """Clopper and Pearson's, in which what was seen counts half."""

    def upper(seen: int) -> float:
        if seen == count:
            return 1.0
        tail: Callable[[float], float] = lambda share: (  # noqa: E731
            binom.cdf(seen, count, share) - binom.pmf(seen, count, share) / 2 - 0.025
        )
        return brentq(tail, 1e-12, 1 - 1e-12)

    ends = {seen: upper(seen) for seen in range(count + 1)}
    return np.array([[1 - ends[count - seen], ends[seen]] for seen in right])


def jeffreys(right: Ints, count: int) -> Floats:
    low, high = (beta.ppf(level, right + 0.5, count - right + 0.5) for level in (0.025, 0.975))
    return np.stack([np.where(right == 0, 0, low), np.where(right == count, 1, high)], axis=1)


def agresti_coull(right: Ints, count: int) -> Floats:
    share = (right + Z**2 / 2) / (count + Z**2)
    reach = Z * np.sqrt(share * (1 - share) / (count + Z**2))
    return np.stack([share - reach, share + reach], axis=1)


def student(right: Ints, count: int) -> Floats:
    share = right / count
    reach = t.ppf(0.975, count - 1) * np.sqrt(share * (1 - share) / (count - 1))
    return np.stack([share - reach, share + reach], axis=1)


def stabilised_bootstrap(right: Ints, count: int) -> Floats:
    """The bootstrap of arcsine √share, whose variance is the same everywhere; half an image of each kind is added."""
    generator, limits = np.random.default_rng(1), []
    for seen in right:
        share = (seen + 0.5) / (count + 1)
        drawn = np.arcsin(np.sqrt(generator.binomial(count, share, RESAMPLES) / count))
        turned = np.arcsin(np.sqrt(seen / count)) - np.quantile(drawn - np.arcsin(np.sqrt(share)), [0.975, 0.025])
        limits.append(np.sin(np.clip(turned, 0, np.pi / 2)) ** 2)
    return np.array(limits)


# --- paired differences ---


def tango(skewed: float) -> Differences:
    """Tango's interval, in which ``skewed`` times the skewness is added to the quantile, outwards and inwards."""

    def limits(fixed: Ints, broken: Ints, count: int) -> Floats:
        def upper(won: int, lost: int) -> float:
            if won == count:
                return 1.0
            seen = (won - lost) / count
            gap = np.linspace(seen, 1, STEPS)[1:-1]
            more, fewer, neither = _constrained(won, lost, count, gap).T
            variance = more + fewer - gap**2
            third = more * (1 - gap) ** 3 - fewer * (1 + gap) ** 3 - neither * gap**3
            distance = (gap - seen) / np.sqrt(variance / count) + skewed * third / np.sqrt(count * variance**3)
            return _last(gap, distance < Z, seen)

        return np.array(
            [[-upper(lost, won), upper(won, lost)] for won, lost in zip(fixed.tolist(), broken.tolist(), strict=True)]
        )

    return limits


def mover(fixed: Ints, broken: Ints, count: int) -> Floats:
    """The method of variance estimates recovery on Wilson's intervals (Newcombe, Statistics in Medicine 17, 1998)."""
    won, lost = fixed / count, broken / count
    (low, high), (low_lost, high_lost) = wilson(fixed, count).T, wilson(broken, count).T
    with np.errstate(divide="ignore", invalid="ignore"):
        related = np.nan_to_num(-np.sqrt(won * lost / ((1 - won) * (1 - lost))))

    def reach(first: Floats, second: Floats) -> Floats:
        return np.asarray(np.sqrt(np.maximum(first**2 - 2 * related * first * second + second**2, 0)))

    gap = won - lost
    return np.stack([gap - reach(won - low, high_lost - lost), gap + reach(high - won, lost - low_lost)], axis=1)


def bonett_price(fixed: Ints, broken: Ints, count: int) -> Floats:
    won, lost = (fixed + 1) / (count + 2), (broken + 1) / (count + 2)
    reach = Z * np.sqrt((won + lost - (won - lost) ** 2) / (count + 2))
    return np.stack([won - lost - reach, won - lost + reach], axis=1)


def student_differences(fixed: Ints, broken: Ints, count: int) -> Floats:
    gap = (fixed - broken) / count
    reach = t.ppf(0.975, count - 1) * np.sqrt(((fixed + broken) / count - gap**2) / (count - 1))
    return np.stack([gap - reach, gap + reach], axis=1)


def dirichlet(fixed: Ints, broken: Ints, count: int) -> Floats:
    """The quantiles of the posterior distribution; half a pair of each kind is added."""
    generator = np.random.default_rng(2)
    outcomes = np.stack([fixed, broken, count - fixed - broken], axis=1) + 0.5
    drawn = [generator.dirichlet(chances, RESAMPLES) for chances in outcomes]
    return np.array([np.quantile(chances[:, 0] - chances[:, 1], [0.025, 0.975]) for chances in drawn])


def bootstrap_t(fixed: Ints, broken: Ints, count: int) -> Floats:
    """The studentised bootstrap; half a pair of each kind is added, so that there is a variance."""
    generator, limits = np.random.default_rng(3), []
    for outcome in np.stack([fixed, broken, count - fixed - broken], axis=1):
        chances = (outcome + 0.5) / (count + 1.5)
        drawn = generator.multinomial(count, chances, RESAMPLES)
        gaps, errors = _studentised(drawn, count)
        gap, error = _studentised(outcome[None], count)
        steps = np.quantile((gaps - (chances[0] - chances[1])) / errors, [0.975, 0.025])
        limits.append(np.clip(gap - steps * error, -1, 1))
    return np.array(limits)


def exact_mid_p(fixed: Ints, broken: Ints, count: int) -> Floats:
    """All differences that an exact test of Tango's statistic does not reject, at the chances that are likeliest then;
    outcomes with the same statistic count half. Differences in steps of 0.005."""
    gaps = np.linspace(-0.9975, 0.9975, 400)
    ways = gammaln(count + 1) - gammaln(fixed + 1) - gammaln(broken + 1) - gammaln(count - fixed - broken + 1)
    held = []
    for gap in gaps:
        chances = _constrained(fixed, broken, count, gap)
        variance = np.maximum(chances[:, 0] + chances[:, 1] - gap**2, 1e-12)
        statistic = ((fixed - broken) / count - gap) / np.sqrt(variance / count)
        log = np.log(np.maximum(chances, 1e-300))
        chance = np.exp(
            ways + log[:, :1] * fixed + log[:, 1:2] * broken + log[:, 2:] * (count - fixed - broken)
        )  # a row for the chances that each outcome makes likeliest, a column for each outcome
        ahead = statistic[None, :] - statistic[:, None]
        above = (chance * ((ahead > 1e-9) + (abs(ahead) <= 1e-9) / 2)).sum(axis=1)
        held.append((above > 0.025) & (above < 0.975))
    kept, seen = np.array(held).T, (fixed - broken) / count
    low = np.minimum(np.where(kept, gaps, np.inf).min(axis=1), seen)
    return np.stack([low, np.maximum(np.where(kept, gaps, -np.inf).max(axis=1), seen)], axis=1)


def _last(values: Floats, held: npt.NDArray[np.bool_], seen: float) -> float:
    """The last value that is held; ``seen`` if none is."""
    return float(values[held][-1]) if held.any() else seen


def _constrained(fixed: Ints | int, broken: Ints | int, count: int, gap: Floats | float) -> Floats:
    """The likeliest chances of fixed, broken and neither with a difference, (outcomes, 3)."""
    b = -fixed - broken + (2 * count - fixed + broken) * gap
    c = -broken * gap * (1 - gap)
    lost = np.clip((np.sqrt(np.maximum(b * b - 8 * count * c, 0.0)) - b) / (4 * count), np.maximum(0.0, -gap), 1)
    won = np.clip(lost + gap, 0, 1)
    return np.stack([won, lost, np.clip(1 - won - lost, 0, 1)], axis=1)


def _studentised(outcomes: Ints, count: int) -> tuple[Floats, Floats]:
    gaps = (outcomes[:, 0] - outcomes[:, 1]) / count
    variances = (outcomes[:, 0] + outcomes[:, 1] + 1 / 3) / (count + 0.5) - gaps**2
    return gaps, np.sqrt(np.maximum(variances, 1e-9) / count)
