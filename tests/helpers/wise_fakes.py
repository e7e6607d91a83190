"""WISE's prompt files in small: the same ids and categories, words of our own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evalharness.benchmarks.wise.base import Wise

SHARED = Path(os.environ.get("EVALHARNESS_SHARED", Path(__file__).resolve().parents[3] / "shared"))
OFFICIAL = SHARED / "data" / "wise"
"""The published prompt files, where a folder beside the checkout has them."""
LABELS = {"culture": "Cultural knowledge", "time": "time", "space": "Space", "biology": "Biology"}
LABELS |= {"physics": "Physical Knowledge", "chemistry": "Chemistry"}

needs_official_files = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the published WISE prompts are no part of the project, and no ../shared has them"
)


def line(number: int, category: str, **other: Any) -> dict[str, Any]:
    return {
        "Prompt": f"A riddle, number {number}",
        "Explanation": f"It means thing {number}",
        "Category": LABELS[category],
        "Subcategory": "made up",
        "prompt_id": number,
    } | other


def lines(benchmark: type[Wise]) -> list[dict[str, Any]]:
    return [line(number, category) for category, own in benchmark.ids.items() for number in own]


def write(
    folder: Path, benchmark: type[Wise], found: Sequence[dict[str, Any]] | None = None, chosen: str = "original"
) -> Path:
    """The three files of a set: culture, time and space, the sciences."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [0, *(benchmark.ids[last].stop for last in ("culture", "space", "chemistry"))]
    for asset, low, high in zip(benchmark.sets[chosen], ends[:-1], ends[1:], strict=True):
        own = [entry for entry in (lines(benchmark) if found is None else found) if low <= entry["prompt_id"] < high]
        (folder / asset.name).write_text(json.dumps(own))
    return folder
