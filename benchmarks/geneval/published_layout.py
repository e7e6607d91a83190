"""Writes results in the layout of the published programs, so that their summary script can read them.

DIR/NNNNN/metadata.jsonl      the prompt's line
DIR/NNNNN/samples/NNNN.png    its images
DIR/results.jsonl             one row per image
DIR/detections.jsonl          not published: one row per image with all detections, for ``evalharness score-detections``
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evalharness.api.benchmark import Exported

from .classes import CLASSES


def write(samples: Iterable[Exported], folder: Path) -> None:
    """Write all files; a row's ``filename`` is relative to ``folder``."""
    results, detections = (folder / name for name in ("results.jsonl", "detections.jsonl"))
    with results.open("w", encoding="utf-8") as rows, detections.open("w", encoding="utf-8") as evidence:
        for sample in samples:
            name = f"{sample.item.id}/samples/{sample.seed_index:04d}.png"
            _write_image(sample, folder / name)
            details = {"metadata": sample.item.metadata, "detections": sample.score.details["detections"]}
            rows.write(json.dumps(row(sample, name)) + "\n")
            evidence.write(json.dumps({"filename": name, **details}) + "\n")


def row(sample: Exported, filename: str) -> dict[str, Any]:
    """A row of ``results.jsonl``; ``metadata`` and ``details`` are JSON texts, as published."""
    metadata = sample.item.metadata
    return {
        "filename": filename,
        "tag": metadata["tag"],
        "prompt": metadata["prompt"],
        "correct": sample.score.value == 1,
        "reason": sample.score.reason,
        "metadata": json.dumps(metadata),
        "details": json.dumps(_kept(sample.score.details["detections"])),
    }


def _write_image(sample: Exported, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sample.image)
    metadata = json.dumps(sample.item.metadata) + "\n"
    (path.parents[1] / "metadata.jsonl").write_text(metadata, encoding="utf-8")


def _kept(detections: list[dict[str, Any]]) -> dict[str, list[list[float]]]:
    """Class → ``[x1, y1, x2, y2, score]`` of the detections that counted, best first; in the order of the classes."""
    kept: dict[str, list[list[float]]] = {}
    for detection in detections:
        if detection["counted"]:
            kept.setdefault(detection["class"], []).append([*detection["box"], detection["score"]])
    return {cls: kept[cls] for cls in sorted(kept, key=CLASSES.index)}
