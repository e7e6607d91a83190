"""Prompt files in GenEval's format, such as its prompts rewritten by a language model.

One JSON object a line: ``tag``, ``prompt``, ``include`` (``{class, count, color?, position?: [relation, index]}``, …)
and perhaps ``exclude`` (``{class, count}``, …). Files come from elsewhere, so every line is checked before anything
runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalharness._util.validation import error_line
from evalharness.errors import ConfigError, did_you_mean

from .classes import CLASSES, COLORS, RELATIONS


def read_text(path: Path) -> str:
    """The file's text, newlines as they are, so that its digest is that of the file."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the GenEval prompts {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the GenEval prompts {path} are not UTF-8 text: {error.reason} at byte {error.start}"
        ) from None


def parse(text: str, source: str) -> list[dict[str, Any]]:
    """The prompts of a file's text; ``source`` names the file in errors, which also name the line."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{source} holds no prompts; GenEval prompt files have one JSON object a line")
    return [_parse_line(line, f"{source} line {number}") for number, line in lines]


class _ExcludeClause(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    cls: str = Field(alias="class")
    count: int = Field(ge=1)

    @field_validator("cls")
    @classmethod
    def _known_class(cls, name: str) -> str:
        return _known("class", name, CLASSES)


class _IncludeClause(_ExcludeClause):
    color: str | None = None
    position: Annotated[list[Any], Field(min_length=2, max_length=2)] | None = None

    @field_validator("color")
    @classmethod
    def _known_color(cls, name: str) -> str:
        return _known("color", name, COLORS)


class _Line(BaseModel):
    """One line of a prompt file. An unknown key is an error: a misspelt ``exclude`` would make its prompt easier."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tag: Literal["single_object", "two_object", "counting", "colors", "position", "color_attr"]
    include: list[_IncludeClause] = Field(min_length=1)
    exclude: list[_ExcludeClause] = []
    prompt: str = Field(min_length=1)

    @model_validator(mode="after")
    def _positions_look_back(self) -> _Line:
        for index, clause in enumerate(self.include):
            if clause.position is None:
                continue
            relation, target = clause.position
            if relation not in RELATIONS or type(target) is not int or not 0 <= target < index:
                raise ValueError(
                    f"include.{index}.position must be one of {', '.join(RELATIONS)} and the index of "
                    f"an earlier clause, got {clause.position}"
                )
        return self


def _known(kind: str, name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise ValueError(f"unknown {kind} {name!r}{did_you_mean(name, names)}")
    return name


def _parse_line(line: str, where: str) -> dict[str, Any]:
    try:
        prompt = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not JSON: {error}") from None
    if not isinstance(prompt, dict):
        raise ConfigError(f"{where} is not a JSON object, got {type(prompt).__name__}")
    return check(prompt, where)


def check(prompt: dict[str, Any], where: str) -> dict[str, Any]:
    """A prompt's line as it is, if it is one.

    Raises:
        ConfigError: beginning with ``where``.
    """
    try:
        _Line.model_validate(prompt)
    except ValidationError as error:
        raise ConfigError(f"{where}: {error_line(error, _Line)}") from None
    return prompt
