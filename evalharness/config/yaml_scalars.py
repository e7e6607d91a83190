"""Plain values of YAML 1.2's core schema: ``042`` is 42, ``1:30`` and ``no`` are words.

PyYAML reads YAML 1.1, in which these are 34, 90 and false.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

PREFIX = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR = (f"{PREFIX}{name}" for name in ("null", "bool", "int", "float", "str"))
_PATTERNS = {
    NULL: re.compile(r"(?:~|null|Null|NULL|)\Z"),
    BOOL: re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    INT: re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    FLOAT: re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}
_BASES = {"0o": 8, "0x": 16}
_LARGEST = 1 << 64
"""No setting is a larger number; Python would take minutes to write out some that a file can hold."""


def add_resolvers(loader: type[yaml.SafeLoader]) -> None:
    """Let a loader tell plain values apart as YAML 1.2 does."""
    loader.yaml_implicit_resolvers = {}
    loader.add_implicit_resolver(f"{PREFIX}merge", re.compile(r"<<\Z"), ["<"])
    for tag, pattern in _PATTERNS.items():
        loader.add_implicit_resolver(tag, pattern, None)


def is_text(plain: str) -> bool:
    """Whether a plain value without YAML's own signs is a text, and not a number, a truth value or nothing.

    >>> is_text("mine"), is_text("2024"), is_text("1e5"), is_text("true")
    (True, False, False, False)
    """
    return not any(pattern.match(plain) for pattern in _PATTERNS.values())


def value_of(node: yaml.ScalarNode) -> Any:
    """The value of a node.

    Raises:
        ValueError: its text is no value of its tag, which a file can state (``!!int many``), or the value is too large.
    """
    text: str = node.value
    if node.tag == STR:
        return text
    pattern = _PATTERNS.get(node.tag)
    name = node.tag.removeprefix(PREFIX)
    if pattern is None:
        raise ValueError(f"tag {node.tag!r} is not allowed")
    if not pattern.match(text):
        raise ValueError(f"{_short(text)!r} is no {name}")
    if node.tag == NULL:
        return None
    if node.tag == BOOL:
        return text.lower() == "true"
    return _integer(text) if node.tag == INT else _float(text)


def _integer(text: str) -> int:
    base = _BASES.get(text[:2], 10)
    digits = text[2:] if base != 10 else text
    if len(digits.lstrip("+-0")) > 22 or abs(number := int(digits, base)) >= _LARGEST:
        raise ValueError(f"{_short(text)} is too large a number")
    return number


def _float(text: str) -> float:
    if text[-1] in "fFnN" or not math.isfinite(number := float(text)):  # .inf and .nan
        raise ValueError(f"{_short(text)} is no finite number")
    return number


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
