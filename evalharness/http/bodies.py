"""Reads the JSON of a response leniently: servers write ``null``, floats, lists and objects where others write numbers.

What an answer cost must be known even if the answer is of no use, so the counts of tokens are read apart from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROMPT = ("prompt_tokens", "input_tokens")
COMPLETION = ("completion_tokens", "output_tokens")
MOST_TOKENS = 2**53
"""A larger count is no count."""
LONGEST_NUMBER = 18
"""Digits of an integer that is read exactly."""
TEXT_KEYS = ("text", "content", "thinking", "reasoning", "summary", "refusal", "message")
"""Keys under which parts of a text hold their words."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of an answer; 0 where the server does not count them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __bool__(self) -> bool:
        return bool(self.prompt_tokens or self.completion_tokens)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a body, or ``None`` if it is something else."""
    try:
        body = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def usage_in(body: Mapping[str, Any]) -> Usage:
    """The tokens that a body says were used.

    Tokens of the total that neither count has were written: some servers leave the tokens of thoughts out of the count
    of the completion, but charge for them.

    >>> usage_in({"usage": {"prompt_tokens": 9.0, "completion_tokens": None, "total_tokens": 12}})
    Usage(prompt_tokens=9, completion_tokens=3)
    """
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return Usage()
    prompt, completion, total = (_first_count(usage, names) for names in (PROMPT, COMPLETION, ("total_tokens",)))
    if total is not None:
        if prompt is None and completion is not None:
            prompt = max(0, total - completion)
        completion = max(completion or 0, total - (prompt or 0))
    return Usage(prompt or 0, completion or 0)


def text_in(value: Any) -> str:
    """All words in a value that should be a text but may be a list or an object of texts.

    >>> text_in([{"type": "text", "text": "a"}, None, "b"])
    'ab'
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a character cannot be stored
    if isinstance(value, list):
        return "".join(text_in(part) for part in value)
    if isinstance(value, Mapping):
        return next((text for key in TEXT_KEYS if (text := text_in(value.get(key)))), "")
    return ""


def _first_count(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := _count(usage.get(name))) is not None), None)


def _count(value: Any) -> int | None:
    """A number of tokens; a fraction is rounded up."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.ceil(value) if 0 <= value <= MOST_TOKENS else None


def _integer(digits: str) -> int | float:
    """An integer of any length: Python refuses to convert thousands of digits."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else float(digits)
