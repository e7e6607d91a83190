"""Estimates with intervals, and when a difference counts as significant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.95
"""The confidence level of all intervals."""
SIGNIFICANCE = 0.05
"""The level that an adjusted p-value must not exceed."""


State = Literal["none", "few", "flat", "known"]
"""What an estimate is worth.

``none``: something that counts has no value at all, so there is no mean; ``few``: a mean, of too few prompts or
trainings for an interval; ``flat``: without an interval because trainings do not differ at all; ``known``: with an
interval.
"""
Distinction = Literal["apart", "open", "alike", "unknown"]
"""What a test of a difference says.

``apart``: it is told from 0; ``open``: it would be, but what is missing could turn it; ``alike``: it is not told from
0; ``unknown``: it has no interval, so nothing is said.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its interval and its standard error; NaN if the data do not allow an estimate.

    ``se`` is clustered by prompt. ``prompts`` and ``samples`` are the numbers that the mean rests on, 0 if they were
    not counted.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    se: float = math.nan
    prompts: int = 0
    samples: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0; False without an interval."""
        return bool(self.low > 0 or self.high < 0)

    @property
    def state(self) -> State:
        """Whether there is a value and an interval, and if not, why."""
        if math.isnan(self.value):
            return "none"
        if not math.isnan(self.low):
            return "known"
        return "flat" if self.se == 0 else "few"


def significant(difference: Estimate, p_adjusted: float) -> bool:
    """Whether a difference has an interval that excludes 0 and a p-value of at most 0.05.

    A p-value that does not exist (NaN) does not count against it.
    """
    return difference.excludes_zero and not p_adjusted > SIGNIFICANCE


def distinction(difference: Estimate, p_adjusted: float, possible: tuple[float, float]) -> Distinction:
    """What a test says of a difference.

    Args:
        difference: The difference with its interval.
        p_adjusted: Its p-value, corrected for the number of tests.
        possible: Its range over all scores that missing samples could have.
    """
    if difference.state != "known":
        return "unknown"
    if not significant(difference, p_adjusted):
        return "alike"
    return "apart" if _beyond_zero(possible, difference.value) else "open"


def _beyond_zero(possible: tuple[float, float], value: float) -> bool:
    """Whether all of a range of possible differences has the sign of this value."""
    return possible[0] > 0 if value > 0 else possible[1] < 0
