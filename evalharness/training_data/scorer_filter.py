"""The filter ``scorer``: an object detector and a colour classifier, as in the GenEval benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evalharness.api import registry
from evalharness.api.detector import Detection, Detector
from evalharness.api.plugin_ref import DetectorRef
from evalharness.detectors.colors import GENEVAL_TEMPLATES, ColorClassifier
from evalharness.training_data.conflicts import Sighting
from evalharness.training_data.english import COLORS
from evalharness.training_data.filters import Case, Filter, Verdict
from evalharness.training_data.graphs import Node


class ScorerFilter(Filter):
    """Accepts a picture that shows each thing of its graph in its colour and nothing else, with all relations held."""

    class Settings(BaseModel):
        """Settings of the filter.

        Attributes:
            detector: A plugin and its settings.
            colors: The CLIP that classifies colours.
            threshold: Detections with a higher score count.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        detector: DetectorRef = Field(default_factory=lambda: DetectorRef.model_validate("mask2former"))
        colors: ColorClassifier.Settings = ColorClassifier.Settings()
        threshold: float = Field(default=0.3, ge=0, le=1)

    name = "scorer"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        choice = self.settings.detector
        self._detector: Detector = registry.load("detectors", choice.name)(choice.settings)
        self._classifier = ColorClassifier(self.settings.colors, COLORS, GENEVAL_TEMPLATES)

    def identity(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "detector": dict(self._detector.identity()),
            "colors": self._classifier.identity(),
            "threshold": self.settings.threshold,
        }

    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        images = [case.image.convert("RGB") for case in cases]
        detections = self._detector.detect(images, self.settings.threshold)
        objects = [
            (image, detection) for image, in_image in zip(images, detections, strict=True) for detection in in_image
        ]
        colors = iter(self._classifier.classify(objects))
        return [
            self._verdict(case, [(detection, next(colors)) for detection in in_image])
            for case, in_image in zip(cases, detections, strict=True)
        ]

    def _verdict(self, case: Case, objects: Sequence[tuple[Detection, str]]) -> Verdict:
        best_first = sorted(objects, key=lambda pair: -pair[0].score)
        things = [
            Sighting(Node(detection.cls, color), *_center(detection, case.image.size))
            for detection, color in best_first
        ]
        seen = tuple(case.world.sightings(case.image, things))
        conflict = case.world.conflict(case.graph, seen)
        return Verdict(conflict is None, conflict, seen=seen)


def _center(detection: Detection, size: tuple[int, int]) -> tuple[float, float]:
    """Centre of a box (x, y), in 0..1 of the image's width and height."""
    x1, y1, x2, y2 = detection.box
    return (x1 + x2) / 2 / size[0], (y1 + y2) / 2 / size[1]
