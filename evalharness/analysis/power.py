"""What the contrasts of a run could have shown, and how large a run would have to be to show other differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalharness.analysis import stats
from evalharness.analysis.findings import Contrast
from evalharness.analysis.grid import Grid

NEEDED = (0.01, 0.02, 0.04)
"""Differences for which a contrast says how large a run would have to be to show them."""


def with_power(contrasts: Sequence[Contrast], grid: Grid, weights: Mapping[str, float]) -> tuple[Contrast, ...]:
    """The contrasts, whose families are known, with what they could have shown."""
    return tuple(_with_power(contrast, grid, weights) for contrast in contrasts)


def _with_power(contrast: Contrast, grid: Grid, weights: Mapping[str, float]) -> Contrast:
    differences = grid.difference(contrast.arm, contrast.baseline)
    shown = stats.smallest_shown(differences, grid.items, grid.categories, weights, tests=max(1, contrast.family))
    prompts = contrast.difference.prompts
    needed = tuple(stats.needed(contrast.variance, prompts, shown, difference) for difference in NEEDED)
    return replace(contrast, detectable=shown, needed=needed)
