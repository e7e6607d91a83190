"""The published file: a row for each question about a prompt's image, with the questions that it rests on."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from evalharness._util.regular_files import require_text
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError
from evalharness.types.item import Item

Protocol = Literal["published", "corrected"]
Text = Annotated[str, Field(pattern=r"\S", max_length=20_000)]


class Row(BaseModel):
    """A row of the file; its other columns are not used.

    Attributes:
        proposition_id: The question's number within its prompt.
        dependency: Numbers of the questions that it rests on, separated by commas; 0 stands for none.
        tuple: What is asked for, such as ``attribute - color (cup, red)``; before the bracket stands the category.
    """

    item_id: Annotated[str, Field(pattern=r"^[\w-]+$", max_length=200)]
    text: str
    proposition_id: int
    dependency: list[int]
    tuple: Text
    question_natural_language: Text

    @field_validator("dependency", mode="before")
    @classmethod
    def _numbers(cls, text: Any) -> Any:
        return text.split(",") if isinstance(text, str) else text


def read(path: Path, protocol: Protocol) -> list[Item]:
    """Read the prompts in the order of the file; metadata are their questions.

    As published, the first row is skipped, and a prompt whose rows stand apart has the questions of its last rows only.
    A question whose number stands twice is the later one, in the place of the earlier.

    Raises:
        ConfigError: The file or a row is malformed; the message names the row.
    """
    rows = _rows(path)
    prompts: dict[str, str] = {}
    questions: dict[str, dict[int, dict[str, Any]]] = {}
    previous = ""
    for row in rows[1:] if protocol == "published" else rows:
        prompts[row.item_id] = prompts.get(row.item_id) or row.text
        if protocol == "published" and row.item_id != previous:
            questions[row.item_id] = {}
        questions.setdefault(row.item_id, {})[row.proposition_id] = {
            "number": row.proposition_id,
            "question": row.question_natural_language,
            "after": [number for number in row.dependency if number],
            "category": row.tuple.partition("(")[0].strip(),
        }
        previous = row.item_id
    items = [
        Item(name, prompts[name], "prompts", {"questions": list(asked.values())}) for name, asked in questions.items()
    ]
    if protocol == "published":
        items = [item for item in items if not _always_fails(item)]
    if not items:
        raise ConfigError(f"{path} has no prompts that can be scored")
    return items


def missing_parents(item: Item) -> list[int]:
    """Numbers of questions that others rest on, and that the prompt lacks."""
    questions = item.metadata["questions"]
    known = {question["number"] for question in questions}
    return [number for question in questions for number in question["after"] if number not in known]


def _always_fails(item: Item) -> bool:
    """Whether the published program stops at the prompt, whatever the answers: it looks first at a missing question."""
    missing = set(missing_parents(item))
    return any(question["after"] and question["after"][0] in missing for question in item.metadata["questions"])


def _rows(path: Path) -> list[Row]:
    reader = csv.DictReader(io.StringIO(require_text(path), newline=""))
    rows = [_row(values, f"{path} row {number}") for number, values in enumerate(reader, 1)]
    if not rows:
        raise ConfigError(f"{path} has no questions")
    return rows


def _row(values: Mapping[str, Any], place: str) -> Row:
    try:
        return Row.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{place}: {error_line(error, Row)}") from None
