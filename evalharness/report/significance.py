"""When a report calls a difference one."""

from __future__ import annotations

from evalharness.analysis.stats import Estimate

SIGNIFICANCE = 0.05
"""Highest p-value, corrected for the other comparisons, of what is called a difference."""


def excludes_zero(estimate: Estimate) -> bool:
    """Whether the interval leaves out zero; a missing interval does not."""
    return bool(estimate.low > 0 or estimate.high < 0)


def is_difference(estimate: Estimate, p_adjusted: float) -> bool:
    """Whether the interval leaves out zero and the corrected p-value, if there is one, is low enough."""
    return excludes_zero(estimate) and not p_adjusted > SIGNIFICANCE
