"""What an object detector must offer.

A plugin is a class with a nested pydantic ``Settings`` and an ``__init__(self, settings)`` that is cheap: no weights
are read into memory and torch is not imported before the first ``detect``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
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


def detect_by_size(
    detect: Callable[[Sequence[Image.Image]], list[list[Detection]]], images: Sequence[Image.Image], batch_size: int
) -> list[list[Detection]]:
    """Call ``detect`` on batches of images of one size each, so that none is padded to another; keeps the order."""
    found: list[list[Detection]] = [[] for _ in images]
    order = sorted(range(len(images)), key=lambda index: images[index].size)
    for _, same_size in groupby(order, key=lambda index: images[index].size):
        indices = list(same_size)
        for start in range(0, len(indices), batch_size):
            batch = indices[start : start + batch_size]
            for index, detections in zip(batch, detect([images[index] for index in batch]), strict=True):
                found[index] = detections
    return found
