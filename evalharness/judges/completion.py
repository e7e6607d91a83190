"""Reads a chat completion from the body of a response, which may be anything."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from evalharness.types.reply import Reply


class _Part(BaseModel):
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None
    model: str | None = None


def read_completion(text: str) -> Reply | None:
    """The reply in the body of a response, without its cost; ``None`` if the body is no chat completion."""
    try:
        completion = _Completion.model_validate_json(text)
    except ValidationError:
        return None
    choice, usage = completion.choices[0], completion.usage or _Usage()
    message = choice.message
    content = message.content or ""
    return Reply(
        text=content if isinstance(content, str) else "".join(part.text for part in content),
        finish_reason=choice.finish_reason or "",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        refusal=message.refusal or "",
        reasoning=message.reasoning_content or message.reasoning or "",
        model=completion.model or "",
    )
