"""A judge's reply."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """A judge's reply, complete and unchanged.

    Attributes:
        text: The answer.
        finish_reason: Why the reply ended, as the endpoint says it.
        prompt_tokens: Tokens read; 0 where the judge does not count them.
        completion_tokens: Tokens written; 0 where the judge does not count them.
        cost: In dollars.
        seconds: Time until the reply came.
        refusal: What came in place of an answer, where an endpoint tells refusals apart.
        reasoning: The judge's reasoning, where an endpoint tells it apart from the answer.
        model: The model that answered, as the endpoint names it.
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
