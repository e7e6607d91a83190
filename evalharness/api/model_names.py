"""Compares names of models: the one that was asked for, the one that answered, the one that a protocol names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4})")
QUANTISED = re.compile(
    r"(?<![a-z])(gptq|awq|gguf|bnb|quantized|quantised|nf4|fp4|nvfp4|mxfp4|fp8|int[248]|[248]-?bits?|w[248]a(4|8|16)|i?q[2-8](_\w+)?)"
    r"(?![a-z])"
)


def plain_name(name: str) -> str:
    """A model's name without the folder or organisation before it, in lower case.

    >>> plain_name("Qwen/Qwen3.5-35B-A3B")
    'qwen3.5-35b-a3b'
    """
    return name.strip().rstrip("/").rpartition("/")[2].lower()


def same_model(first: str, second: str) -> bool:
    """Whether two names are those of the same model; part of a name is not enough."""
    return plain_name(first) == plain_name(second)


def is_version_of(answered: str, asked: str) -> bool:
    """Whether a model is the one asked for, or a version of it with a date, to which a plain name refers.

    >>> is_version_of("gpt-4o-2024-08-06", "gpt-4o"), is_version_of("gpt-4o-mini", "gpt-4o")
    (True, False)
    """
    answered, asked = plain_name(answered), plain_name(asked)
    return answered == asked or (answered.startswith(asked) and bool(DATE.fullmatch(answered[len(asked) :])))


def is_quantised(name: str, original: str) -> bool:
    """Whether a name is that of a quantised version of another model.

    >>> is_quantised("Qwen3.5-35B-A3B-GPTQ-Int4", "Qwen/Qwen3.5-35B-A3B")
    True
    """
    name, original = plain_name(name), plain_name(original)
    return name.startswith(original) and bool(QUANTISED.search(name[len(original) :]))


def asked_model(judge: Mapping[str, Any]) -> str:
    """The name of the model in a judge's identity; of the judge itself if it names no model.

    For a replay, that of the judge whose replies it repeats; for lm-eval, the model in its arguments.
    """
    if isinstance(inner := judge.get("judge"), Mapping):
        return asked_model(inner)
    arguments = judge.get("args")
    if isinstance(arguments, Mapping):
        for key in ("pretrained", "model"):
            if isinstance(arguments.get(key), str):
                return str(arguments[key])
    return str(judge.get("model") or judge.get("name") or "unnamed")
