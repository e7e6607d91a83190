"""How a score is taken out of a judge's reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from evalharness.api.spoken import answer_of, outcome_of
from evalharness.types.reply import Reply
from evalharness.types.score import Score

Read = Callable[[str], Score | None]
"""Parses a text: the score that it states, or ``None`` if it states none. Never raises, whatever the text."""
CutReplies = Literal["fail", "as-published"]
"""What a reply that is no whole answer is: no verdict, or read like any other."""
STRICT, OFFICIAL = "strict", "official"
FENCE = "```"


@dataclass(frozen=True)
class Parser:
    """Takes the score out of a reply.

    Attributes:
        name: Names it in reports: :data:`STRICT` for one that guesses nothing, :data:`OFFICIAL` for a published one.
        read: Parses the answer, or, if ``unchanged``, the text of the reply as it came.
        unchanged: Whether thoughts and the braces of structured answers are the business of ``read``.
        score_range: The lowest and the highest value of a score.
    """

    name: str
    read: Read
    unchanged: bool = False
    score_range: tuple[float, float] = (0.0, 1.0)

    def score(self, reply: Reply, cut_replies: CutReplies) -> Score | None:
        """The score of a reply, or ``None`` if it has none."""
        if cut_replies == "fail" and outcome_of(reply) != "answered":
            return None
        return self.read(reply.text if self.unchanged else lines_of(answer_of(reply)))


def lines_of(answer: str) -> str:
    """An answer that is one JSON object, in a fence or not, as lines of names and values; any other unchanged.

    >>> lines_of('{"realism": 2, "aesthetic_quality": 1.0}')
    'realism: 2\\naesthetic quality: 1'
    """
    text = answer.strip()
    if text.startswith(FENCE) and text.endswith(FENCE):
        text = text.removeprefix(FENCE).removesuffix(FENCE).removeprefix("json").strip()
    if not (text.startswith("{") and text.endswith("}")):
        return answer
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return answer
    if not isinstance(fields, Mapping):
        return answer
    return "\n".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in fields.items())


def _value(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value
