"""The score of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.types.origin import Origin

LAST_IMAGE_ONLY = "aspects_of_last_image_only"
"""A detail: of a prompt's images, the last alone counts for ``aspects``, as some published programs have it."""


@dataclass(frozen=True, slots=True)
class ScoringTime:
    """How long a score took.

    Attributes:
        scorer: Digest of the scorer's identity.
        seconds: Its share of its batch's time, or for a judge the time since the score before. Loading is not counted.
    """

    scorer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one image.

    Attributes:
        value: In 0..1, or in the wider range that a scorer declares; 1 means right.
        reason: Why the value is not 1.
        details: JSON. A detector puts its ``detections`` there, a list of
            ``{"class", "box": [x1, y1, x2, y2] in pixels, "score", "color"}``. One that asks several questions puts
            ``aspects`` there, a pair of a name and a value in 0..1 for each.
        origin: When and where it was made, set by the harness; ``None`` if that is not known.
        time: How long it took, set by the harness; ``None`` if that was not measured.
    """

    value: float
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = field(default=None, compare=False)
    time: ScoringTime | None = field(default=None, compare=False)
