"""The interface of scorers with a network that turns images into vectors, which tell how alike images are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HasImageFeatures(ABC):
    """Base of a :class:`~evalharness.api.benchmark.Scorer` with an image encoder, such as a CLIP."""

    @abstractmethod
    def features_identity(self) -> Mapping[str, Any]:
        """What decides the features: the network with the digest of its weights, and its precision; JSON."""

    @abstractmethod
    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """The features of whole images, ``(images, width)`` of length 1; each depends on its image only."""
