"""Scores images by GenEval's rules, with a detector and a colour classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image, ImageOps

from evalharness.api.benchmark import Scorer
from evalharness.api.detector import Detection, Detector
from evalharness.api.image_features import HasImageFeatures
from evalharness.api.plugin import versioned_identity
from evalharness.detectors.colors import ColorClassifier
from evalharness.errors import ConfigError
from evalharness.types.item import Item, ItemField
from evalharness.types.score import Score

from .scoring_rules import Rules, Verdict, judge, objects_to_color

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Channels = Literal["published", "swapped"]
EVIDENCE_FLOOR = 0.05
"""Detections above this score are kept as evidence by default, though they do not count."""


class GenEvalScorer(Scorer, HasImageFeatures):
    """Detects the objects of a batch, classifies in one pass the colours that prompts ask for, and applies the rules.

    Faint objects, down to a score of ``evidence_floor``, are classified as well, so that the evidence shows what other
    thresholds would have decided.

    With ``channels: swapped`` the detector is shown blue for red and red for blue, as by programs that hand arrays of
    RGB to MMDetection, which expects BGR. The colour classifier always sees the image itself, as it does there.
    """

    item_fields: Sequence[ItemField] = ("metadata",)

    def __init__(
        self,
        version: str,
        detector: Detector,
        colours: ColorClassifier,
        rules: Rules,
        batch_size: int,
        evidence_floor: float = EVIDENCE_FLOOR,
        channels: Channels = "published",
    ) -> None:
        self.version = version
        self.detector = detector
        self.colours = colours
        self.rules = rules
        self.batch_size = batch_size
        self.evidence_floor = evidence_floor
        self.channels = channels

    def identity(self) -> dict[str, Any]:
        # The floor decides what is kept, not the verdict. Its default is left out, so that scores from before it could
        # be set stay valid.
        kept = {} if self.evidence_floor == EVIDENCE_FLOOR else {"evidence_floor": self.evidence_floor}
        channels = {} if self.channels == "published" else {"channels": self.channels}
        return {
            "protocol": f"geneval {self.version}",
            "detector": versioned_identity(self.detector.identity(), self.detector),
            "colors": self.colours.identity(),
            "rules": self.rules.model_dump(),
            **kept,
            **channels,
        }

    def features_identity(self) -> dict[str, Any]:
        return self.colours.identity()

    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """The embeddings of the colour classifier's CLIP."""
        return self.colours.features([_upright(image) for image in images])

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        """Score each image: 1 if it fulfils all clauses of its prompt, else 0 with a reason, one failure a line."""
        self._check_classes(items)
        upright = [_upright(image) for image in images]
        floor = min(self.evidence_floor, self.rules.threshold, self.rules.counting_threshold)
        shown = upright if self.channels == "published" else [_swapped(image) for image in upright]
        detections_of_images = self.detector.detect(shown, floor)
        colors = self._colors(upright, detections_of_images, items)
        return [
            self._score(detections, item, of_image)
            for detections, item, of_image in zip(detections_of_images, items, colors, strict=True)
        ]

    def _colors(
        self, images: Sequence[Image.Image], detections_of_images: Sequence[Sequence[Detection]], items: Sequence[Item]
    ) -> list[dict[int, str]]:
        """For each image the colours of the objects whose colours matter, by ``id`` of the detection."""
        objects = [
            (index, detection)
            for index, (detections, item) in enumerate(zip(detections_of_images, items, strict=True))
            for detection in objects_to_color(detections, item.metadata)
        ]
        names = self.colours.classify([(images[index], detection) for index, detection in objects])
        colors: list[dict[int, str]] = [{} for _ in images]
        for (index, detection), name in zip(objects, names, strict=True):
            colors[index][id(detection)] = name
        return colors

    def _score(self, detections: Sequence[Detection], item: Item, colors: Mapping[int, str]) -> Score:
        verdict = judge(detections, item.metadata, self.rules, lambda detection: colors[id(detection)])
        details = {
            "detections": _evidence(detections, verdict, colors),
            "threshold": self.rules.min_score(item.metadata["tag"]),
            "rules": self.rules.model_dump(),
        }
        return Score(float(verdict.correct), verdict.reason, details)

    def _check_classes(self, items: Sequence[Item]) -> None:
        """Check that the detector can find all classes; one that it does not know would silently score 0."""
        classes = self.detector.classes()
        for item in items:
            for clause in (*item.metadata["include"], *item.metadata.get("exclude", ())):
                if clause["class"] not in classes:
                    raise ConfigError(
                        f"the detector cannot find {clause['class']!r}, which the prompt "
                        f"{item.metadata['prompt']!r} asks for"
                    )


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image).convert("RGB")


def _swapped(image: Image.Image) -> Image.Image:
    """An RGB image with red and blue swapped."""
    return Image.merge("RGB", image.split()[::-1])


def _evidence(detections: Sequence[Detection], verdict: Verdict, colors: Mapping[int, str]) -> list[dict[str, Any]]:
    """The detections as JSON, best first.

    ``counted`` says whether the rules took a detection into account. ``color`` is null unless the prompt gives a colour
    for its class.
    """
    counted = {id(detection) for kept in verdict.kept.values() for detection in kept}
    return [
        {
            "class": detection.cls,
            "box": list(detection.box),
            "score": detection.score,
            "color": colors.get(id(detection)),
            "counted": id(detection) in counted,
        }
        for detection in sorted(detections, key=lambda detection: -detection.score)
    ]
