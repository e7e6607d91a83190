"""Prompt files of WISE's form, with its ids and categories and made-up prompts."""

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


def prompt_entry(number: int, category: str, **changes: Any) -> dict[str, Any]:
    return {
        "Prompt": f"A riddle, number {number}",
        "Explanation": f"It means thing {number}",
        "Category": LABELS[category],
        "Subcategory": "made up",
        "prompt_id": number,
    } | changes


def prompt_entries(benchmark: type[Wise]) -> list[dict[str, Any]]:
    """One entry for each id of a benchmark."""
    return [prompt_entry(number, category) for category, ids in benchmark.ids.items() for number in ids]


def write_prompt_files(
    folder: Path, benchmark: type[Wise], entries: Sequence[dict[str, Any]] | None = None, chosen: str = "original"
) -> Path:
    """The three files of a set: culture, time and space, the sciences."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = prompt_entries(benchmark) if entries is None else entries
    ends = [0, *(benchmark.ids[last].stop for last in ("culture", "space", "chemistry"))]
    for asset, low, high in zip(benchmark.sets[chosen], ends[:-1], ends[1:], strict=True):
        part = [entry for entry in entries if low <= entry["prompt_id"] < high]
        (folder / asset.name).write_text(json.dumps(part))
    return folder
