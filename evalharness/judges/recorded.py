"""Replies in a file: JSON Lines, one reply a line, with the question's key and the judge's identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, NonNegativeInt, ValidationError

from evalharness._util.hashing import digest
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError
from evalharness.types.reply import Reply


class Line(BaseModel):
    """``question`` is :meth:`Question.key`, ``attempt`` counts the replies to it from 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    attempt: NonNegativeInt
    judge: dict[str, JsonValue]
    image: str
    rubric: str
    repeat: NonNegativeInt
    reply: Reply

    def text(self) -> str:
        """As it stands in a file."""
        return json.dumps(dict(self) | {"reply": asdict(self.reply)}) + "\n"


@dataclass
class Recorded:
    """What one judge said: question's key → its replies in the order of the attempts."""

    identity: Mapping[str, Any]
    lines: dict[tuple[str, int], tuple[int, Reply]] = field(default_factory=dict)

    def replies(self) -> dict[str, list[Reply]]:
        found: dict[str, list[Reply]] = {}
        for question, attempt in sorted(self.lines):
            found.setdefault(question, []).append(self.lines[question, attempt][1])
        return found


def read(path: Path) -> dict[str, Recorded]:
    """All replies in a file, by the digest of the judge's identity.

    Raises:
        ConfigError: the file cannot be read, or a line is malformed or says another thing than an earlier one.
    """
    judges: dict[str, Recorded] = {}
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                _add(judges, _parsed(text, f"{path} line {number}"), number, path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    if not judges:
        raise ConfigError(f"{path} holds no replies")
    return judges


def _parsed(text: bytes, where: str) -> Line:
    try:
        return Line.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{where} is not a reply: {error_line(error, Line)}") from None


def _add(judges: dict[str, Recorded], line: Line, number: int, path: Path) -> None:
    recorded = judges.setdefault(digest(line.judge), Recorded(line.judge))
    before, reply = recorded.lines.setdefault((line.question, line.attempt), (number, line.reply))
    if reply != line.reply:
        raise ConfigError(f"{path} line {number}: another reply to the same question and attempt as in line {before}")
