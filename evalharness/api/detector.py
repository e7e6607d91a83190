"""The interface of object detectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from PIL import Image

from evalharness.api.plugin import Plugin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected object.

    Attributes:
        cls: Class name.
        box: x1, y1, x2, y2 in pixels of the image, the second corner exclusive.
        score: In 0..1.
        mask: Booleans that cover the box only, of shape (y2 - y1, x2 - x1): whole-image masks of a batch would fill the
            memory.
    """

    cls: str
    box: tuple[float, float, float, float]
    score: float
    mask: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)


class Detector(Plugin, ABC):
    """Finds the objects of an image."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides the detections: name, weights digest, dtype; JSON, without paths or devices."""

    @abstractmethod
    def classes(self) -> frozenset[str]:
        """The names of the classes that the detector can find."""

    @abstractmethod
    def detect(self, images: Sequence[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        """Return the detections with a score above ``min_score`` in each RGB image; they depend on that image only."""


def detect_by_size(
    detect: Callable[[Sequence[Image.Image]], list[list[Detection]]], images: Sequence[Image.Image], batch_size: int
) -> list[list[Detection]]:
    """Call ``detect`` on batches of equally sized images, so that none is padded; keeps the order of the images."""
    detections: list[list[Detection]] = [[] for _ in images]
    order = sorted(range(len(images)), key=lambda index: images[index].size)
    for _, same_size in groupby(order, key=lambda index: images[index].size):
        indices = list(same_size)
        for start in range(0, len(indices), batch_size):
            batch = indices[start : start + batch_size]
            for index, objects in zip(batch, detect([images[index] for index in batch]), strict=True):
                detections[index] = objects
    return detections
