"""What a judge is told and asked: one question alone, or all questions of an image together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness._util.hashing import digest
from evalharness.types.item import Item
from evalharness.types.score import Score

SYSTEM = "You answer questions about a picture by what can be seen in it."
ONE = "{question}\n\nAnswer with one word: yes or no."
ALL = """{questions}

Answer each question with yes or no, on a line of its own that begins with the question's number, such as "1: yes"."""
ALONE = re.compile(r"\W*(?:answer\W+)?(yes|no)\W*", re.IGNORECASE)
NUMBERED = re.compile(r"\W*(\d{1,4})\W+(yes|no)\W*", re.IGNORECASE)


class OneQuestion:
    """The rubric of an item that is one question."""

    name = "own rubric, one question a time"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        return _messages(ONE.format(question=item.metadata["question"]), image)

    def digest(self) -> str:
        return digest(_messages(ONE, ""))


class AllQuestions:
    """The rubric of an item with several questions."""

    name = "own rubric, all questions at once"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        numbered = [
            f"{number}. {question['question']}" for number, question in enumerate(item.metadata["questions"], 1)
        ]
        return _messages(ALL.format(questions="\n".join(numbered)), image)

    def digest(self) -> str:
        return digest(_messages(ALL, ""))


def read_answer(text: str) -> Score | None:
    """1 for yes, 0 for no; ``None`` unless exactly one of them stands on a line of its own.

    >>> read_answer("It has four legs.\\nAnswer: **Yes**.").value
    1.0
    """
    stated = {match[1].lower() for line in text.splitlines() if (match := ALONE.fullmatch(line))}
    return Score(float(stated == {"yes"})) if len(stated) == 1 else None


def read_answers(text: str) -> Score | None:
    """The share of yes among numbered lines, which are its details; ``None`` if there are none, or two for a number.

    >>> read_answers("1: yes\\n2. no").details
    {'answers': {'1': 'yes', '2': 'no'}}
    """
    answers: dict[str, str] = {}
    for line in text.splitlines():
        if match := NUMBERED.fullmatch(line):
            number, answer = str(int(match[1])), match[2].lower()
            if answers.setdefault(number, answer) != answer:
                return None
    if not answers:
        return None
    return Score(list(answers.values()).count("yes") / len(answers), details={"answers": answers})


def _messages(text: str, image: str) -> Sequence[Mapping[str, Any]]:
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [shown, {"type": "text", "text": text}]},
    ]
