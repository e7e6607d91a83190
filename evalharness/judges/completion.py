"""Reads a chat completion from the body of a response, which may be anything.

Only what was answered has to be there. All else is read as far as it can be read, and never costs the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from evalharness.api.spoken import FILTERED
from evalharness.http.bodies import json_object, text_in, usage_in
from evalharness.types.reply import Reply

THOUGHTS = frozenset({"thinking", "reasoning", "thought", "redacted_thinking"})
"""Types of parts of a message that are thoughts."""
REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
"""Fields of a message that hold thoughts."""


def read_completion(text: str) -> Reply | None:
    """The reply in the body of a response, without its cost; ``None`` if the body is no chat completion.

    A body that has no message, but says that tokens were used, is a reply without words: it was paid for.
    """
    body = json_object(text)
    if body is None:
        return None
    usage, choice = usage_in(body), _first_choice(body)
    message = choice.get("message")
    finish_reason = _finish_reason(choice)
    if not isinstance(message, Mapping):
        if not usage and finish_reason.lower() not in FILTERED:
            return None
        message = {"refusal": text_in(body.get("error"))}
    answer, reasoning, refusal = _answer(message)
    return Reply(
        text=answer,
        finish_reason=finish_reason,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        refusal=refusal,
        reasoning=reasoning,
        model=text_in(body.get("model")),
    )


def read_probability(text: str, answers: Collection[str]) -> Reply | None:
    """A reply whose text is the probability that a completion begins with one of some tokens; ``None`` without any.

    Only the tokens that the endpoint lists count. An answer of several tokens is found only if its first one is among
    ``answers``, too.
    """
    body = json_object(text)
    logprobs = None if body is None else _first_choice(body).get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    first = content[0] if isinstance(content, list) and content else None
    listed = first.get("top_logprobs") if isinstance(first, Mapping) else None
    if body is None or not isinstance(listed, list) or not listed:
        return None
    wanted = set(answers)
    logprobs_by_token = {
        entry["token"]: float(entry["logprob"])
        for entry in listed
        if isinstance(entry, Mapping) and _listed(entry) and entry["token"] in wanted
    }
    probability = math.fsum(
        math.exp(min(logprob, 0.0)) for logprob in logprobs_by_token.values() if not math.isnan(logprob)
    )
    usage = usage_in(body)
    return Reply(
        text=repr(min(probability, 1.0)),
        finish_reason="stop",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        model=text_in(body.get("model")),
    )


def _listed(entry: Mapping[str, Any]) -> bool:
    """Whether an entry names a token and a number."""
    return isinstance(entry.get("token"), str) and isinstance(entry.get("logprob"), int | float)


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else {}


def _finish_reason(choice: Mapping[str, Any]) -> str:
    reason = choice.get("finish_reason")
    return text_in(reason.get("type") if isinstance(reason, Mapping) else reason)


def _answer(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """Answer, thoughts and refusal of a message."""
    content, thoughts = message.get("content"), [text_in(message.get(name)) for name in REASONING]
    refusal = "refused" if message.get("refusal") is True else text_in(message.get("refusal"))
    if not isinstance(content, list):
        answer = _plain_or_json(content)
    else:
        answer = "".join(text_in(part) for part in content if _type(part) not in THOUGHTS | {"refusal"})
        thoughts.append(text_in([part for part in content if _type(part) in THOUGHTS]))
        refusal = refusal or text_in([part for part in content if _type(part) == "refusal"])
    if not answer:
        answer = _plain_or_json(message.get("parsed"))  # where a server gives what a schema made of the answer
    return answer, next(filter(None, thoughts), ""), refusal


def _type(part: Any) -> str:
    return str(part.get("type", "")) if isinstance(part, Mapping) else ""


def _plain_or_json(content: Any) -> str:
    """The words of a content; one that is an object without words, or a number, is the JSON of a structured answer."""
    if isinstance(content, Mapping):
        return text_in(content) or json.dumps(content)
    if isinstance(content, int | float) and not isinstance(content, bool):
        return json.dumps(content)
    return text_in(content)
