"""Estimates with intervals, and when a difference counts as significant."""

from __future__ import annotations

import math
from dataclasses import dataclass

CONFIDENCE = 0.95
"""The confidence level of all intervals."""
SIGNIFICANCE = 0.05
"""The level that an adjusted p-value must not exceed."""


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


def significant(difference: Estimate, p_adjusted: float) -> bool:
    """Whether a difference has an interval that excludes 0 and a p-value of at most 0.05.

    A p-value that does not exist (NaN) does not count against it.
    """
    return difference.excludes_zero and not p_adjusted > SIGNIFICANCE


def beyond_zero(possible: tuple[float, float], value: float) -> bool:
    """Whether all of a range of possible differences has the sign of this value."""
    return possible[0] > 0 if value > 0 else possible[1] < 0
