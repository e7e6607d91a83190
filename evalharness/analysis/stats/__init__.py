"""Statistics of a run: clustered by prompt, stratified by category, paired between arms, and seeded.

The images of one prompt resemble each other, so a prompt with all its seeds is what is drawn, flipped or counted (a
cluster). How many prompts a category has is part of a benchmark's design, so prompts are drawn within their category (a
stratum). Everything works on columns (samples, arms) at once.
"""

from __future__ import annotations

from evalharness.analysis.stats.clusters import Floats
from evalharness.analysis.stats.corrections import benjamini_hochberg, holm
from evalharness.analysis.stats.intervals import LEVEL, Estimate, interval, none_of
from evalharness.analysis.stats.permutation import PERMUTATIONS, mcnemar, sign_flip
from evalharness.analysis.stats.repeated import best_of
from evalharness.analysis.stats.resampling import RESAMPLES, resampled_sums
from evalharness.analysis.stats.scores import Scores, bounds, category_means, estimate, estimates, weighted
from evalharness.analysis.stats.trainings import (  # fmt: skip
    Shares,
    Unpaired,
    clustered,
    complete,
    deviation,
    mean_of,
    shares,
    single_against,
    welch,
)
from evalharness.analysis.stats.variance import Components, Needed, components, detectable, needed

__all__ = [
    "LEVEL",
    "PERMUTATIONS",
    "RESAMPLES",
    "Components",
    "Estimate",
    "Floats",
    "Needed",
    "Scores",
    "Shares",
    "Unpaired",
    "benjamini_hochberg",
    "best_of",
    "bounds",
    "category_means",
    "clustered",
    "complete",
    "components",
    "detectable",
    "deviation",
    "estimate",
    "estimates",
    "holm",
    "interval",
    "mcnemar",
    "mean_of",
    "needed",
    "none_of",
    "resampled_sums",
    "shares",
    "sign_flip",
    "single_against",
    "weighted",
    "welch",
]
