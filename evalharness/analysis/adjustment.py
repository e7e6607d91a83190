"""Adjusts p-values for the number of tests in a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalharness.analysis import stats
from evalharness.analysis.findings import Analysis, Contrast, ReplicateContrast, Trend


def adjust_analyses(analyses: Mapping[str, Analysis]) -> dict[str, Analysis]:
    """The analyses of all benchmarks of a run with adjusted p-values; a family of tests spans the benchmarks."""
    contrasts, trends = adjust_contrasts(
        [contrast for analysis in analyses.values() for contrast in analysis.contrasts],
        [trend for analysis in analyses.values() for trend in analysis.trends],
    )
    between = _adjust_replicate_contrasts(
        [contrast for analysis in analyses.values() for contrast in analysis.replicate_contrasts]
    )
    next_contrast, next_trend, next_between = iter(contrasts), iter(trends), iter(between)
    return {
        name: replace(
            analysis,
            contrasts=tuple(next(next_contrast) for _ in analysis.contrasts),
            trends=tuple(next(next_trend) for _ in analysis.trends),
            replicate_contrasts=tuple(next(next_between) for _ in analysis.replicate_contrasts),
        )
        for name, analysis in analyses.items()
    }


def adjust_contrasts(contrasts: Sequence[Contrast], trends: Sequence[Trend] = ()) -> tuple[list[Contrast], list[Trend]]:
    """Adjust two families: preregistered contrasts and trends by Holm, other contrasts by Benjamini and Hochberg."""
    planned = [contrast.p for contrast in contrasts if contrast.preregistered]
    holm = stats.holm([*planned, *(trend.p for trend in trends)]).tolist()
    rates = stats.benjamini_hochberg([contrast.p for contrast in contrasts if not contrast.preregistered]).tolist()
    next_p = {True: iter(holm), False: iter(rates)}
    sizes = {True: len(holm), False: len(rates)}
    adjusted_contrasts = [
        replace(contrast, p_adjusted=next(next_p[contrast.preregistered]), family=sizes[contrast.preregistered])
        for contrast in contrasts
    ]
    adjusted_trends = [
        replace(trend, p_adjusted=p, family=len(holm)) for trend, p in zip(trends, holm[len(planned) :], strict=True)
    ]
    return adjusted_contrasts, adjusted_trends


def _adjust_replicate_contrasts(contrasts: Sequence[ReplicateContrast]) -> list[ReplicateContrast]:
    """Adjust by Holm; contrasts without a p-value do not count."""
    tested = sum(not math.isnan(contrast.p) for contrast in contrasts)
    adjusted = stats.holm([contrast.p for contrast in contrasts]).tolist()
    return [replace(contrast, p_adjusted=p, family=tested) for contrast, p in zip(contrasts, adjusted, strict=True)]
