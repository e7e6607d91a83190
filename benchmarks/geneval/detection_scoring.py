"""Scores detections that another program made by GenEval's rules, without images or models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evalharness._util.validation import error_line
from evalharness.api.detector import Detection
from evalharness.errors import ConfigError, did_you_mean
from evalharness.types.score import Score

from . import prompt_file, published_rows
from .classes import CLASSES, COLORS
from .scoring_rules import Rules, judge

Pixels = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class _Detection(BaseModel):
    """A detection in a score's details; other keys are ignored."""

    model_config = ConfigDict(strict=True)

    cls: str = Field(alias="class")
    box: Annotated[list[Pixels], Field(min_length=4, max_length=4)]
    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    color: str | None = None

    @field_validator("cls")
    @classmethod
    def _known_class(cls, name: str) -> str:
        if name not in CLASSES:
            raise ValueError(f"unknown class {name!r}{did_you_mean(name, CLASSES)}")
        return name

    @field_validator("box")
    @classmethod
    def _corners(cls, box: list[float]) -> list[float]:
        if box[2] < box[0] or box[3] < box[1]:
            raise ValueError(f"the corners [x1, y1, x2, y2] are wanted, with x1 <= x2 and y1 <= y2, got {box}")
        return box

    @field_validator("color")
    @classmethod
    def _known_color(cls, name: str | None) -> str | None:
        if name is not None and name not in COLORS:
            raise ValueError(f"unknown color {name!r}{did_you_mean(name, COLORS)}")
        return name


class _Details(BaseModel):
    model_config = ConfigDict(strict=True)

    metadata: dict[str, Any]
    detections: list[_Detection]


def score_detections(details: Any, rules: Rules, location: str) -> Score:
    """Score one image by its detections.

    Args:
        details: ``{"metadata": a prompt's line, "detections": [{"class", "box", "score", "color"}, …]}``. Detections
            may have any order and any score. ``color`` is needed only if the rules ask for the colour of that class.
            Or a row of the published program's ``results.jsonl``.
        rules: The numbers of the rules.
        location: Where the details come from, for error messages.

    Raises:
        ConfigError: The details are malformed or lack a colour.
    """
    if not isinstance(details, dict):
        raise ConfigError(f"{location} is not a JSON object, got {type(details).__name__}")
    if published_rows.is_row(details):
        details = published_rows.evidence(details, location)
    try:
        checked = _Details.model_validate(details)
    except ValidationError as error:
        raise ConfigError(f"{location}: {error_line(error, _Details)}") from None
    metadata = prompt_file.check(checked.metadata, f"{location}: metadata")
    detections = [_detection(raw) for raw in checked.detections]
    colors = {id(detection): raw.color for detection, raw in zip(detections, checked.detections, strict=True)}

    def color_of(detection: Detection) -> str:
        color = colors[id(detection)]
        if color is None:
            raise ConfigError(
                f"{location}: the rules ask for the color of the {detection.cls} with score {detection.score}, "
                "which has none"
            )
        return color

    judged = judge(detections, metadata, rules, color_of)
    return Score(float(judged.correct), judged.reason)


def _detection(raw: _Detection) -> Detection:
    x1, y1, x2, y2 = raw.box
    return Detection(raw.cls, (x1, y1, x2, y2), raw.score)
