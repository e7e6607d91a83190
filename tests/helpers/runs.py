"""Small runs made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalharness.store.results import ARM_COLUMNS, SAMPLE_COLUMNS, Results


def run(
    scores: Mapping[str, Any],
    *,
    benchmark: str = "toy",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    analysis: Mapping[str, Any] | None = None,
    seed: int = 0,
    items: list[str] | None = None,
    scorer: str = "rules",
    refinements: Mapping[str, Any] | None = None,
) -> Results:
    """``scores``: arm → (items, images), NaN where the image failed. The first arm is the baseline, even items are of
    category "a", odd ones of "b"; the sampler steps of an arm are ten times its place. ``refinements``: arm → (items,
    images), by default 0."""
    rows = []
    for place, (arm, table) in enumerate(scores.items()):
        values = np.asarray(table, dtype=float)
        names = items or [f"{number:03d}" for number in range(len(values))]
        for number, row_scores in enumerate(values):
            for index, score in enumerate(row_scores):
                row = {
                    "benchmark": benchmark,
                    "arm": arm,
                    "item": names[number],
                    "category": "ab"[number % 2],
                    "prompt": f"a photo of {names[number]}",
                    "seed_index": index,
                    "seed": hash((seed, names[number], index)) % 10**9,
                    "state": "failed" if np.isnan(score) else "scored",
                    "score": score,
                    "reason": "",
                    "image": f"{place:02x}{number:04x}{index:02x}" * 8,
                    "trajectory": f"t{place}-{number}-{index}",
                    "score_key": f"s{place}-{number}-{index}",
                    "iterations": 1,
                    "evaluations": 10 * (place + 1),
                    "tokens": number,
                    "seconds": 0.5,
                    "transparent": False,
                    "refinements": (refinements or {}).get(arm, np.zeros(values.shape, int))[number][index],
                }
                rows.append(row)
    about = {
        "version": "1",
        "prompt_set": "original",
        "prompt_digest": "ab" * 32,
        "scorer": {"name": scorer},
        "weights": {"a": 0.25, "b": 0.75},
        "items": len(next(iter(scores.values()))),
        "samples": len(np.asarray(next(iter(scores.values())))[0]),
    }
    info = {"name": "toy", "seed": seed, "sweep": {"analysis": analysis or {}}, "benchmarks": {benchmark: about}}
    arms = pd.DataFrame(
        [
            (arm, "m", "process", None, json.dumps((settings or {}).get(arm, {})), not place)
            for place, arm in enumerate(scores)
        ],
        columns=list(ARM_COLUMNS),
    ).astype({"max_iterations": "Int64"})
    samples = pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))
    return Results(info | {"models": {"m": {"name": "m"}}}, arms, samples, lambda key: [], lambda key: {}, Path)


def random_scores(arms: list[str], items: int = 40, images: int = 3, seed: int = 0) -> dict[str, Any]:
    """Each arm a little better than the one before it."""
    generator = np.random.default_rng(seed)
    easy = generator.random((items, images))
    return {arm: (easy < 0.5 + 0.06 * place).astype(float) for place, arm in enumerate(arms)}
