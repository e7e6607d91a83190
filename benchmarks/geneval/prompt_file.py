"""Prompt files in GenEval's format, such as its prompts rewritten by a language model.

Each line is a JSON object with ``tag``, ``prompt``, ``include`` (a list of
``{class, count, color?, position?: [relation, index]}``) and optionally ``exclude`` (a list of ``{class, count}``).
Every line is checked before anything runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalharness._util.json_text import require_json
from evalharness._util.regular_files import read_regular
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError, did_you_mean

from .classes import CLASSES, COLORS, RELATIONS


def read_text(path: Path) -> str:
    """Read a file without converting its newlines, so that the digest of the text is that of the file.

    Raises:
        ConfigError: The file cannot be read or is not UTF-8.
    """
    try:
        return read_regular(path).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the GenEval prompts {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the GenEval prompts {path} are not UTF-8 text: {error.reason} at byte {error.start}"
        ) from None


def parse(text: str, source: str) -> list[dict[str, Any]]:
    """Parse the text of a file.

    Args:
        text: The text.
        source: Name of the file for error messages.

    Raises:
        ConfigError: A line is not a prompt; the message names file and line.
    """
    lines = [(number, line) for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1) if line.strip()]
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
    """A line of a prompt file. Unknown keys are errors, because a misspelt ``exclude`` would make the prompt easier."""

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


def _parse_line(line: str, place: str) -> dict[str, Any]:
    prompt = require_json(line, place)
    if not isinstance(prompt, dict):
        raise ConfigError(f"{place} is not a JSON object, got {type(prompt).__name__}")
    return check(prompt, place)


def check(prompt: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a prompt's line unchanged if it is valid.

    Raises:
        ConfigError: It is not; the message begins with ``place``.
    """
    try:
        _Line.model_validate(prompt)
    except ValidationError as error:
        raise ConfigError(f"{place}: {error_line(error, _Line)}") from None
    return prompt
