"""Detections that somebody else made, judged by GenEval's rules: no image and no model is needed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evalharness._util.validation import error_line
from evalharness.api.detector import Detection
from evalharness.errors import ConfigError, did_you_mean
from evalharness.types.score import Score

from . import prompt_file
from .classes import CLASSES, COLORS
from .scoring_rules import Rules, judge

Pixels = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class _Detection(BaseModel):
    """As a score's details have them; what else stands there is not looked at."""

    model_config = ConfigDict(strict=True)

    cls: str = Field(alias="class")
    box: Annotated[list[Pixels], Field(min_length=4, max_length=4)]
    score: float = Field(allow_inf_nan=False)
    color: str | None = None

    @field_validator("cls")
    @classmethod
    def _known_class(cls, name: str) -> str:
        if name not in CLASSES:
            raise ValueError(f"unknown class {name!r}{did_you_mean(name, CLASSES)}")
        return name

    @field_validator("color")
    @classmethod
    def _known_color(cls, name: str | None) -> str | None:
        if name is not None and name not in COLORS:
            raise ValueError(f"unknown color {name!r}{did_you_mean(name, COLORS)}")
        return name


class _Evidence(BaseModel):
    model_config = ConfigDict(strict=True)

    metadata: dict[str, Any]
    detections: list[_Detection]


def score_detections(evidence: Any, rules: Rules, where: str) -> Score:
    """Judge ``{"metadata": a prompt's line, "detections": [{"class", "box", "score", "color"}, …]}``.

    Detections come in any order and with any score. ``color`` is needed only of those whose colour the rules ask for.

    Raises:
        ConfigError: the evidence is malformed or lacks a colour; ``where`` names it.
    """
    if not isinstance(evidence, dict):
        raise ConfigError(f"{where} is not a JSON object, got {type(evidence).__name__}")
    try:
        checked = _Evidence.model_validate(evidence)
    except ValidationError as error:
        raise ConfigError(f"{where}: {error_line(error, _Evidence)}") from None
    metadata = prompt_file.check(checked.metadata, f"{where}: metadata")
    detections = [_detection(one) for one in checked.detections]
    colors = {id(found): one.color for found, one in zip(detections, checked.detections, strict=True)}

    def color_of(detection: Detection) -> str:
        color = colors[id(detection)]
        if color is None:
            raise ConfigError(
                f"{where}: the rules ask for the color of the {detection.cls} with score {detection.score}, "
                "which has none"
            )
        return color

    judged = judge(detections, metadata, rules, color_of)
    return Score(float(judged.correct), judged.reason)


def _detection(one: _Detection) -> Detection:
    x1, y1, x2, y2 = one.box
    return Detection(one.cls, (x1, y1, x2, y2), one.score)
