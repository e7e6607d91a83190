"""How much the images of a prompt differ: a score that rises because all seeds give the same picture is not worth more.

The distance of two images is 1 minus the cosine of their features, which an image encoder computed. The diversity of a
prompt is the mean distance of all pairs of its images; that of an arm is the mean over prompts, weighted over
categories as scores are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.findings import ArmDiversity, Diversity
from evalharness.analysis.grid import Grid
from evalharness.analysis.stats import Estimate, Floats
from evalharness.store.results import Results

ONE_IMAGE = "one image per prompt: two are needed to compare"
NO_ENCODER = "no scorer of this run has an image encoder (a CLIP), as that of geneval has"
NOT_COMPUTED = "the images have no features yet: run the sweep again, which draws and scores nothing anew"


def diversity(results: Results, table: Grid, weights: Mapping[str, float], baseline: str | None) -> Diversity:
    """The diversity of each arm on a benchmark, with Student's intervals over prompts.

    Args:
        results: the run's results.
        table: the benchmark's samples.
        weights: the weights of its categories.
        baseline: the arm whose diversity others are compared with, prompt by prompt.
    """
    if not table.seeds.any():
        return Diversity(reason=ONE_IMAGE)
    features = results.features(table.benchmark, table.frame["image"].dropna().unique())
    if features is None:
        return Diversity(reason=NO_ENCODER)
    if not features:
        return Diversity(reason=NOT_COMPUTED)
    prompts, first = np.unique(table.items, return_index=True)
    by_arm = np.column_stack([_by_prompt(table, arm, features)[prompts] for arm in table.arms])
    differences = by_arm - by_arm[:, [table.arms.index(baseline)]] if baseline in table.arms else by_arm * math.nan
    columns = np.column_stack([by_arm, differences])
    scores = stats.estimates(columns, prompts, table.categories[first], weights, limits=None)
    estimates = [score.overall for score in scores]
    count = len(table.arms)
    arms = {
        arm: ArmDiversity(own, Estimate(math.nan) if arm == baseline else difference)
        for arm, own, difference in zip(table.arms, estimates[:count], estimates[count:], strict=True)
    }
    lacking = int((table.frame["image"].notna() & ~table.frame["image"].isin(list(features))).sum())
    return Diversity(arms, lacking)


def _by_prompt(table: Grid, arm: str, features: Mapping[str, Any]) -> Floats:
    """The diversity of each prompt of an arm by its number in the grid, NaN with fewer than two images."""
    rows = table.frame[table.frame["arm"] == arm]
    vectors = defaultdict(list)
    for item, image in zip(rows["item"], rows["image"], strict=True):
        if image in features:
            vectors[item].append(features[image])
    return np.array([mean_distance(np.array(vectors[item])) if item in vectors else math.nan for item in table.ids])


def mean_distance(vectors: Floats) -> float:
    """The mean of 1 - cosine over all pairs of vectors of length 1, ``(images, width)``; NaN for a single one.

    >>> mean_distance(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    0.6666666666666666
    """
    count = len(vectors)
    if count < 2:
        return math.nan
    pairs = (float(np.square(vectors.sum(axis=0)).sum()) - count) / 2
    return max(0.0, 1 - pairs / (count * (count - 1) / 2))
