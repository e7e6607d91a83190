"""Files of replies: JSON Lines, one reply a line, with the key of the prompt and the identity of the judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, NonNegativeInt, ValidationError

from evalharness._util.hashing import digest
from evalharness._util.json_lines import numbered_lines
from evalharness._util.regular_files import open_regular
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError
from evalharness.types.reply import Reply


class Line(BaseModel):
    """A line of the file.

    Attributes:
        question: Key of the prompt, see :meth:`~evalharness.api.judge.JudgePrompt.key`.
        attempt: Number of the reply to this prompt, from 0.
        judge: Identity of the judge.
        image: Digest of the image.
        rubric: Digest of the rubric.
        repeat: Number of the repeat of the prompt.
        reply: The reply.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    attempt: NonNegativeInt
    judge: dict[str, JsonValue]
    image: str
    rubric: str
    repeat: NonNegativeInt
    reply: Reply

    def text(self) -> str:
        """The line as it is written to a file."""
        return json.dumps(dict(self) | {"reply": asdict(self.reply)}) + "\n"


@dataclass
class Recorded:
    """The replies of one judge.

    Attributes:
        identity: Identity of the judge.
        lines: Key of a prompt and number of the attempt → line number in the file and reply.
    """

    identity: Mapping[str, Any]
    lines: dict[tuple[str, int], tuple[int, Reply]] = field(default_factory=dict)

    def replies(self) -> dict[str, list[Reply]]:
        """Key of a prompt → its replies in the order of the attempts."""
        replies: dict[str, list[Reply]] = {}
        for question, attempt in sorted(self.lines):
            replies.setdefault(question, []).append(self.lines[question, attempt][1])
        return replies


def read(path: Path) -> dict[str, Recorded]:
    """Read all replies in a file, by the digest of the judge's identity.

    Raises:
        ConfigError: The file cannot be read, a line is malformed, or a line contradicts an earlier one.
    """
    judges: dict[str, Recorded] = {}
    try:
        with open_regular(path) as file:
            for number, text in numbered_lines(file):
                _add(judges, _parsed(text, f"{path} line {number}"), number, path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    if not judges:
        raise ConfigError(f"{path} holds no replies")
    return judges


def _parsed(text: bytes, place: str) -> Line:
    try:
        return Line.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{place} is not a reply: {error_line(error, Line)}") from None


def _add(judges: dict[str, Recorded], line: Line, number: int, path: Path) -> None:
    recorded = judges.setdefault(digest(line.judge), Recorded(line.judge))
    first, reply = recorded.lines.setdefault((line.question, line.attempt), (number, line.reply))
    if reply != line.reply:
        raise ConfigError(f"{path} line {number}: another reply to the same question and attempt as in line {first}")
