"""What a judge answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge said, whole. Tokens are 0 where it does not count them; ``cost`` is in dollars.

    ``refusal`` is what it said in place of an answer, ``reasoning`` what it said to itself, where an endpoint keeps
    these apart from ``text``; ``model`` is the model that answered, as the endpoint names it.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    refusal: str = ""
    reasoning: str = ""
    model: str = ""
