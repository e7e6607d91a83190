"""Writes results in the layout of the published programs, so that their summary script can read them.

DIR/ID.png                                       the images
DIR/RESULTS/NAME_scores_results.jsonl            one line per image with its marks
DIR/RESULTS/NAME_full_results.json               a list with the judge's reply about each image
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evalharness.api.benchmark import Exported
from evalharness.errors import ConfigError

from .replies import SCALES

FILES = {
    "cultural_common_sense": ("culture",),
    "spatio-temporal_reasoning": ("time", "space"),
    "natural_science": ("biology", "physics", "chemistry"),
}


def write(samples: Iterable[Exported], folder: Path, results: str) -> None:
    """Write all files.

    Args:
        samples: The scored samples.
        folder: Gets the images.
        results: Name of the subfolder that gets the results, in the order of the ids.

    Raises:
        ConfigError: A prompt has more than one image.
    """
    rows: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {name: [] for name in FILES}
    for sample in samples:
        if sample.seed_index:
            raise ConfigError("WISE's layout has one image a prompt, and the run has more; it cannot be exported")
        (folder / f"{sample.item.id}.png").write_bytes(sample.image)
        name = next(name for name, categories in FILES.items() if sample.item.category in categories)
        rows[name].append((scores(sample), full(sample)))
    (folder / results).mkdir()
    for name, pairs in rows.items():
        pairs.sort(key=lambda pair: pair[0]["prompt_id"])
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row, _ in pairs)
        (folder / results / f"{name}_scores_results.jsonl").write_text(lines, encoding="utf-8", errors="replace")
        text = json.dumps([row for _, row in pairs], ensure_ascii=False, indent=2)
        (folder / results / f"{name}_full_results.json").write_text(text, encoding="utf-8", errors="replace")


def scores(sample: Exported) -> dict[str, Any]:
    """A line of the scores file: ``score``, or the three marks, as floats."""
    details = sample.score.details
    names = [name.replace(" ", "_") for name in SCALES]
    marks = {name: float(details[name]) for name in names if name in details} or {"score": float(sample.score.value)}
    metadata = sample.item.metadata
    return {"prompt_id": metadata["prompt_id"], "Subcategory": metadata["Subcategory"], **marks}


def full(sample: Exported) -> dict[str, Any]:
    """An entry of the full results: the prompt, and the reply of the judge that could be read, which is its last."""
    metadata = sample.item.metadata
    return {
        "prompt_id": metadata["prompt_id"],
        "prompt": metadata["Prompt"],
        "key": metadata["Explanation"],
        "image_path": f"{sample.item.id}.png",
        "evaluation": sample.score.details["replies"][-1]["text"],
    }
