"""A scorer's detections as boxes over a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLORS = ("#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#F0E442", "#0072B2")
"""The colours of the gallery (``trajectory.js``)."""
CHARACTER_WIDTH = 0.55
"""Mean width of a character of a label, relative to the font size."""


@dataclass(frozen=True, slots=True)
class Box:
    """A detection in the picture's pixels, with the position of its label.

    ``counted``: whether the scorer took it into account.
    """

    x: float
    y: float
    width: float
    height: float
    color: str
    label: str
    label_x: float
    label_y: float
    counted: bool


def boxes(detections: Any, image_width: int) -> Iterator[Box]:
    """The boxes of a score's detections; entries without four finite coordinates are skipped."""
    valid = [entry for entry in detections if _has_box(entry)] if isinstance(detections, list) else []
    classes = list(dict.fromkeys(str(detection.get("class")) for detection in valid))
    font_size = max(1.0, image_width / 20)
    for detection in valid:
        x1, y1, x2, y2 = (float(end) for end in detection["box"])
        label = _label(detection)
        yield Box(
            x=x1,
            y=y1,
            width=max(0.0, x2 - x1),
            height=max(0.0, y2 - y1),
            color=COLORS[classes.index(str(detection.get("class"))) % len(COLORS)],
            label=label,
            label_x=max(1.0, min(x1, image_width - len(label) * font_size * CHARACTER_WIDTH)),
            label_y=y1 - font_size * 0.3 if y1 > font_size * 1.3 else y1 + font_size,
            counted=detection.get("counted") is not False,
        )


def _label(detection: Mapping[str, Any]) -> str:
    score = detection.get("score")
    score_text = f"{score:.2f}" if isinstance(score, int | float) else ""
    return " ".join(str(part) for part in (detection.get("color"), detection.get("class"), score_text) if part)


def _has_box(detection: Any) -> bool:
    box: Sequence[Any] | Any = detection.get("box") if isinstance(detection, dict) else None
    if not isinstance(box, list | tuple) or len(box) != 4:
        return False
    return all(isinstance(end, int | float) and math.isfinite(end) for end in box)
