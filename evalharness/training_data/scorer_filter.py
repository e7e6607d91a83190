"""Filter ``scorer``: an object detector and a colour classifier, as the GenEval benchmark has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evalharness.api import registry
from evalharness.api.detector import Detection, Detector
from evalharness.config.plugin_ref import DetectorRef
from evalharness.detectors.colors import ColorClassifier
from evalharness.training_data.english import COLORS
from evalharness.training_data.filters import Case, Verdict, broken_relations, compare
from evalharness.training_data.graphs import Node

TEMPLATES = ("a photo of a {color} {cls}", "a photo of a {color}-colored {cls}", "a photo of a {color} object")
"""GenEval's (arXiv 2310.11513)."""


class ScorerFilter:
    """A state is right if it shows each thing of its graph, in its colour, and nothing else, and all relations hold."""

    class Settings(BaseModel):
        """``detector``: a plugin and its settings; ``colors``: the CLIP; ``threshold``: detections above it count."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        detector: DetectorRef = Field(default_factory=lambda: DetectorRef.model_validate("mask2former"))
        colors: ColorClassifier.Settings = ColorClassifier.Settings()
        threshold: float = Field(default=0.3, ge=0, le=1)

    name = "scorer"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        choice = self.settings.detector
        self._detector: Detector = registry.load("detectors", choice.name)(choice.settings)
        self._colours = ColorClassifier(self.settings.colors, COLORS, TEMPLATES)

    def identity(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "detector": dict(self._detector.identity()),
            "colors": self._colours.identity(),
            "threshold": self.settings.threshold,
        }

    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        images = [case.image.convert("RGB") for case in cases]
        found = self._detector.detect(images, self.settings.threshold)
        objects = [(image, one) for image, own in zip(images, found, strict=True) for one in own]
        colors = iter(self._colours.classify(objects))
        return [
            self._verdict(case, [(one, next(colors)) for one in own]) for case, own in zip(cases, found, strict=True)
        ]

    def _verdict(self, case: Case, objects: Sequence[tuple[Detection, str]]) -> Verdict:
        best = sorted(objects, key=lambda pair: -pair[0].score)
        things = [(Node(one.cls, color), *_middle(one, case.image.size)) for one, color in best]
        differing = compare(case.graph, case.world.seen(case.image, things))
        if not differing and case.graph.edges and not case.world.places:
            differing = broken_relations(case.graph, things)
        return Verdict(not differing, differing)


def _middle(one: Detection, size: tuple[int, int]) -> tuple[float, float]:
    x1, y1, x2, y2 = one.box
    return (x1 + x2) / 2 / size[0], (y1 + y2) / 2 / size[1]
