"""Golden files: the results of a scorer on a trusted machine, to compare other machines with.

A file contains its images, so that it does not depend on fonts, codecs or this program's version.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util import environment
from evalharness._util.files import write_text_atomically
from evalharness._util.validation import error_line
from evalharness.api.benchmark import KnownAnswer
from evalharness.doctor.scorer_check import ScorerCheck
from evalharness.errors import ConfigError, EvalHarnessError
from evalharness.types.item import Item
from evalharness.types.score import Score

MIN_DETECTION_SCORE = 0.1
"""Detections below this score are not recorded, because the slightest difference decides whether they exist."""
MIN_OBJECTS = 5
"""Recorded objects below which a golden file would prove nothing."""
MAX_BYTES = 100_000_000

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class GoldenObject(_Part):
    cls: str = Field(alias="class")
    box: Box
    score: float
    color: str | None = None


class GoldenImage(_Part):
    """An image (``png`` in base64), its item (``id`` … ``metadata``), and the scorer's result."""

    part: str
    png: str
    id: str
    prompt: str
    category: str
    metadata: dict[str, Any]
    value: float
    reason: str
    objects: tuple[GoldenObject, ...]

    def known_answer(self) -> KnownAnswer:
        """The image and its item.

        Raises:
            EvalHarnessError: the image cannot be decoded.
        """
        try:
            image = Image.open(io.BytesIO(base64.b64decode(self.png, validate=True)), formats=["PNG"])
            image.load()
        except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise EvalHarnessError(f"the image of {self.prompt!r} cannot be read: {error}") from None
        return KnownAnswer(self.part, image, Item(self.id, self.prompt, self.category, self.metadata), None)


class GoldenScorer(_Part):
    identity: dict[str, Any]
    images: tuple[GoldenImage, ...] = Field(min_length=1)


class Golden(_Part):
    """The content of a golden file: the machine on which it was made, and the scorers by benchmark."""

    golden: Literal[1] = 1
    hardware: str
    versions: dict[str, str]
    scorers: dict[str, GoldenScorer]


def read_golden(path: Path) -> Golden:
    """Read a golden file.

    Raises:
        ConfigError: the file is missing or not a golden file.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is too large for a golden file")
        return Golden.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the golden file {path}: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigError(f"{path} is no golden file: {error_line(error, Golden)}") from None


def write_golden(path: Path, scorer_checks: Sequence[ScorerCheck]) -> None:
    """Record the results of scorers on their images.

    Raises:
        EvalHarnessError: a scorer finds next to nothing, so that the file would prove nothing; or it cannot be written.
    """
    scorers = {check.benchmark.name: _record(check) for check in scorer_checks}
    content = Golden(hardware=environment.hardware(), versions=environment.versions(), scorers=scorers)
    try:
        write_text_atomically(path, content.model_dump_json(by_alias=True, indent=1) + "\n")
    except OSError as error:
        raise EvalHarnessError(f"cannot write the golden file {path}: {error.strerror}") from error


def golden_objects(score: Score) -> tuple[GoldenObject, ...]:
    """Objects that a scorer with a detector found, from its score's details."""
    keys = ("class", "box", "score", "color")
    return tuple(
        GoldenObject.model_validate({key: detection.get(key) for key in keys})
        for detection in score.details.get("detections", ())
        if detection["score"] >= MIN_DETECTION_SCORE
    )


def _record(check: ScorerCheck) -> GoldenScorer:
    images = [
        GoldenImage(
            part=specimen.part,
            png=_encode(specimen.image),
            id=specimen.item.id,
            prompt=specimen.item.prompt,
            category=specimen.item.category,
            metadata=dict(specimen.item.metadata),
            value=score.value,
            reason=score.reason,
            objects=golden_objects(score),
        )
        for specimen, score in zip(check.specimens, check.scores, strict=True)
    ]
    objects = sum(len(image.objects) for image in images)
    if objects < MIN_OBJECTS:
        raise EvalHarnessError(
            f"{check.label}: only {objects} objects are found in {len(images)} images, which would show nothing; "
            "add photographs with --images DIR"
        )
    return GoldenScorer(identity=check.identity, images=tuple(images))


def _encode(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "png")
    return base64.b64encode(data.getvalue()).decode("ascii")
