"""The statistical analysis of a run: from scores to statements about its arms."""

from evalharness.analysis.benchmarks import analyse, category_weights
from evalharness.analysis.findings import (
    Analysis,
    BestOf,
    Contrast,
    CostPoint,
    Flips,
    Refinements,
    ReplicateContrast,
    Replicates,
    Trend,
    TrendStep,
)

__all__ = [
    "Analysis",
    "BestOf",
    "Contrast",
    "CostPoint",
    "Flips",
    "Refinements",
    "ReplicateContrast",
    "Replicates",
    "Trend",
    "TrendStep",
    "analyse",
    "category_weights",
]
