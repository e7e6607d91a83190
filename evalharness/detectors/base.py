"""What an object detector must offer.

A plugin is a class with a nested pydantic ``Settings`` and an ``__init__(self, settings)`` that is cheap: no weights
are read into memory and torch is not imported before the first ``detect``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detection:
    """One found object.

    ``box`` is x1, y1, x2, y2 in pixels of the image, the second corner exclusive. ``score`` is in 0..1. ``mask``
    covers the box only, ``(y2 - y1, x2 - x1)`` booleans: whole-image masks of a batch would fill the memory.
    """

    cls: str
    box: tuple[float, float, float, float]
    score: float
    mask: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)


class Detector(Protocol):
    """Finds the objects of an image."""

    def identity(self) -> Mapping[str, Any]:
        """What decides the detections: name, weights digest, dtype; JSON, without paths or devices."""
        ...

    def classes(self) -> frozenset[str]:
        """The class names that it can find."""
        ...

    def detect(self, images: Sequence[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        """The detections with a score above ``min_score`` in each RGB image; an image's depend on that image alone."""
        ...
