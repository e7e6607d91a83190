"""What the questions about an image are about: skills, dimensions, kinds of attribute.

The details of a score may have ``aspects``, a pair of a name and a value in 0..1 for each question. Their means are no
part of any score. If the details say so, the last image of each item alone counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from evalharness.analysis.stats import Estimate, estimate
from evalharness.store.results import Results
from evalharness.types.score import LAST_IMAGE_ONLY

Pair = tuple[str, float]
MOST = 200
"""Aspects of a benchmark that are reported, in the order in which they come up."""


def aspects(results: Results, benchmark: str) -> dict[str, dict[str, Estimate]]:
    """The mean of each aspect over all questions about an arm's images, by arm; empty if the benchmark has none.

    Intervals are clustered by prompt, as those of categories are.
    """
    samples = results.samples[results.samples["benchmark"] == benchmark]
    scored = samples[samples["state"] == "scored"]
    if scored.empty:
        return {}
    first = results.details(scored["score_key"].iloc[0])
    if not any(_pairs(first)):
        return {}
    if first.get(LAST_IMAGE_ONLY) is True:
        scored = scored[scored["seed_index"] == samples["seed_index"].max()]
    means = {}
    for arm, rows in scored.groupby("arm", sort=False):
        questions = [
            (str(item), name, value)
            for item, key in zip(rows["item"], rows["score_key"], strict=True)
            for name, value in _pairs(results.details(key))
        ]
        names = list(islice(dict.fromkeys(name for _, name, _ in questions), MOST))
        kept = [question for question in questions if question[1] in set(names)]
        if kept:
            items, labels, values = zip(*kept, strict=True)
            means[str(arm)] = dict(estimate(values, items, labels, dict.fromkeys(names, 1 / len(names))).categories)
    return means


def _pairs(details: Mapping[str, Any]) -> Iterator[Pair]:
    """The pairs that a store's details hold; whatever else stands there is none."""
    listed = details.get("aspects")
    for pair in listed if isinstance(listed, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], int | float):
            yield pair[0], min(max(float(pair[1]), 0.0), 1.0)
