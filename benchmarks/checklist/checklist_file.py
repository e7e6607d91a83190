"""Files of checklists: JSON Lines, each line with a prompt and yes/no questions about its image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness._util.json_lines import checked_lines
from evalharness.errors import ConfigError
from evalharness.types.item import Item

Text = Annotated[str, Field(pattern=r"\S", max_length=20_000)]
Name = Annotated[str, Field(pattern=r"^[\w.-]+$", max_length=200)]
MOST_QUESTIONS = 200


class Question(BaseModel):
    """A question about an image.

    Attributes:
        question: It can be answered by yes or no.
        answer: The right answer.
        weight: Its share of the score, relative to the other questions of the prompt.
        after: Numbers of earlier questions, from 1; if one of them is answered wrong, this one counts as wrong, too.
        name: Stands in the reason in place of the question.
        aspect: What the question is about; the report has the share that is right of each aspect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Text
    answer: Literal["yes", "no"] = "yes"
    weight: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)
    after: tuple[Annotated[int, Field(ge=1)], ...] = ()
    name: Text | None = None
    aspect: Text | None = None


class Line(BaseModel):
    """A line of the file.

    Attributes:
        id: By default the number of the line.
        category: The category that the score counts for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Text
    questions: list[Question] = Field(min_length=1, max_length=MOST_QUESTIONS)
    id: Name | None = None
    category: Text = "checklist"

    @model_validator(mode="after")
    def _after_earlier_ones(self) -> Line:
        for number, question in enumerate(self.questions, 1):
            later = [other for other in question.after if other >= number]
            if later:
                raise ValueError(f"question {number} is after question {later[0]}, which is no earlier one")
        return self


def read(path: Path) -> list[Item]:
    """Read the items of a file; their metadata are the checked lines.

    Raises:
        ConfigError: The file or a line is invalid; the message names the line.
    """
    items = list(_items(path))
    if not items:
        raise ConfigError(f'{path} has no checklists; a line is {{"prompt": …, "questions": [{{"question": …}}]}}')
    repeated = [name for name, count in Counter(item.id for item in items).items() if count > 1]
    if repeated:
        raise ConfigError(f"{path}: the id {repeated[0]!r} stands twice")
    return items


def _items(path: Path) -> Iterator[Item]:
    for number, _, line in checked_lines(path, Line):
        questions = [question.model_dump() for question in line.questions]
        yield Item(line.id or f"{number:05d}", line.prompt, line.category, {"questions": questions})
