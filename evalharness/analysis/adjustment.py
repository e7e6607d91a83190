"""Adjusts p-values for the number of tests in a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from evalharness.analysis import stats
from evalharness.analysis.findings import Analysis, Contrast, ReplicateContrast, Trend
from evalharness.analysis.stats import Floats

Test = TypeVar("Test", Contrast, Trend, ReplicateContrast)
Adjusted = Sequence[tuple[float, int]]
"""The adjusted p-value and the size of the family of each test."""


def adjust_analyses(analyses: Mapping[str, Analysis]) -> dict[str, Analysis]:
    """The analyses of all benchmarks of a run with adjusted p-values; a family of tests spans the benchmarks.

    What was declared before the run is adjusted by Holm: contrasts and trends in one family, contrasts of replicates,
    whose unit is the training, in another. All else is one family that is adjusted by Benjamini and Hochberg.
    """
    contrasts = [contrast for analysis in analyses.values() for contrast in analysis.contrasts]
    trends = [trend for analysis in analyses.values() for trend in analysis.trends]
    between = [contrast for analysis in analyses.values() for contrast in analysis.replicate_contrasts]
    tests: list[Contrast | Trend | ReplicateContrast] = [*contrasts, *trends, *between]
    of_prompts = [test.preregistered and not isinstance(test, ReplicateContrast) for test in tests]
    of_trainings = [test.preregistered and isinstance(test, ReplicateContrast) for test in tests]
    others = [not test.preregistered for test in tests]
    adjusted = [(math.nan, 0)] * len(tests)
    for members, correct in ((of_prompts, stats.holm), (of_trainings, stats.holm), (others, stats.benjamini_hochberg)):
        places = [place for place, member in enumerate(members) if member]
        for place, result in zip(places, _family([tests[place].p for place in places], correct), strict=True):
            adjusted[place] = result
    left = iter(adjusted)
    next_contrast = iter([_with(contrast, next(left)) for contrast in contrasts])
    next_trend = iter([_with(trend, next(left)) for trend in trends])
    next_between = iter([_with(contrast, next(left)) for contrast in between])
    return {
        name: replace(
            analysis,
            contrasts=tuple(next(next_contrast) for _ in analysis.contrasts),
            trends=tuple(next(next_trend) for _ in analysis.trends),
            replicate_contrasts=tuple(next(next_between) for _ in analysis.replicate_contrasts),
        )
        for name, analysis in analyses.items()
    }


def adjust_contrasts(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Contrasts of which none is declared, adjusted by Benjamini and Hochberg."""
    adjusted = _family([contrast.p for contrast in contrasts], stats.benjamini_hochberg)
    return [_with(contrast, result) for contrast, result in zip(contrasts, adjusted, strict=True)]


def _family(p_values: Sequence[float], correct: Callable[[Sequence[float]], Floats]) -> Adjusted:
    """Adjust a family; tests without a p-value do not count."""
    size = sum(not math.isnan(p) for p in p_values)
    return [(float(p), size) for p in correct(p_values)]


def _with(test: Test, adjusted: tuple[float, int]) -> Test:
    return replace(test, p_adjusted=adjusted[0], family=adjusted[1])
