"""Mocks with an encoder: its features are the mean red, green and blue of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalharness.api.image_features import HasImageFeatures
from evalharness.errors import WeightsError
from evalharness.testing import MockBenchmark, MockScorer


class SeeingScorer(MockScorer, HasImageFeatures):
    """``encoded`` counts the images whose features any instance in this process computed."""

    encoded: ClassVar[list[int]] = []

    def __init__(self, unscorable: Sequence[str], broken: str) -> None:
        super().__init__(unscorable)
        self.broken = broken

    def features_identity(self) -> Mapping[str, Any]:
        return {"name": "means"}

    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        if self.broken == "missing":
            raise WeightsError("the encoder's weights are gone")
        if self.broken:
            raise ValueError("the encoder is broken")
        SeeingScorer.encoded.append(len(images))
        means = np.array([np.asarray(image.convert("RGB"), float).mean(axis=(0, 1)) + 1 for image in images])
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


class SeeingBenchmark(MockBenchmark):
    class Settings(MockBenchmark.Settings):
        """``broken``: how its encoder fails."""

        broken: str = ""

    name = "seeing"
    settings: Settings

    def scorer(self) -> SeeingScorer:
        return SeeingScorer(self.settings.unscorable, self.settings.broken)


PLUGINS: dict[str, Any] = {"benchmarks": [SeeingBenchmark]}
