"""The score of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from evalharness.types.origin import Origin

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LAST_IMAGE_ONLY = "aspects_of_last_image_only"
"""A detail: of a prompt's images, the last alone counts for ``aspects``, as some published programs have it."""


@overload
def is_right(score: float) -> bool: ...
@overload
def is_right(score: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]: ...
def is_right(score: float | npt.NDArray[np.float64]) -> bool | npt.NDArray[np.bool_]:
    """Whether a score, or each of several, counts as right: the full score or more, which some published rules allow.

    >>> is_right(1.1), is_right(0.9), is_right(float("nan"))
    (True, False, False)
    """
    return score >= 1


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
