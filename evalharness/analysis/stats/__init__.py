"""Statistics of a run: clustered by prompt, stratified by category, paired between arms, and seeded.

The images of one prompt resemble each other, so the unit that is drawn, flipped or counted is a prompt with all its
seeds (a cluster). The number of prompts of a category is part of a benchmark's design, so prompts are drawn within
their category (a stratum). All functions work on all columns of (samples, arms) at a time.
"""

from __future__ import annotations

from evalharness.analysis.stats.clusters import Floats, strata
from evalharness.analysis.stats.corrections import benjamini_hochberg, holm
from evalharness.analysis.stats.intervals import (
    CONFIDENCE,
    SIGNIFICANCE,
    Distinction,
    Estimate,
    State,
    distinction,
    significant,
)
from evalharness.analysis.stats.permutation import PERMUTATIONS, mcnemar, sign_flip
from evalharness.analysis.stats.power import smallest_shown
from evalharness.analysis.stats.repeated import best_of
from evalharness.analysis.stats.replicates import (
    Shares,
    Unpaired,
    between_part,
    clustered,
    complete,
    deviation,
    mean_of,
    shares,
    welch,
)
from evalharness.analysis.stats.scores import Scores, bounds, category_means, estimate, estimates, weighted
from evalharness.analysis.stats.variance import Components, Needed, components, needed

__all__ = [
    "CONFIDENCE",
    "PERMUTATIONS",
    "SIGNIFICANCE",
    "Components",
    "Distinction",
    "Estimate",
    "Floats",
    "Needed",
    "Scores",
    "Shares",
    "State",
    "Unpaired",
    "benjamini_hochberg",
    "best_of",
    "between_part",
    "bounds",
    "category_means",
    "clustered",
    "complete",
    "components",
    "deviation",
    "distinction",
    "estimate",
    "estimates",
    "holm",
    "mcnemar",
    "mean_of",
    "needed",
    "shares",
    "sign_flip",
    "significant",
    "smallest_shown",
    "strata",
    "weighted",
    "welch",
]
