"""A scorer's verdict on one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict on one image.

    ``value`` is in 0..1. ``reason`` says why it is not 1. ``details`` is JSON evidence; a detector puts its
    ``detections`` there: ``[{"class", "box": [x1, y1, x2, y2] in pixels, "score", "color"}, …]``.
    """

    value: float
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
