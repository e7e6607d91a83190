"""Reads the judge's replies as the published program does, and counts test points."""

from __future__ import annotations

import ast
import warnings
from typing import Any

from evalharness.types.item import Item
from evalharness.types.score import Score

LONGEST = 200_000
"""Characters of a reply that is read; a judge may write 4,096 tokens."""
FAULTS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def read_reply(text: str) -> Score | None:
    """The lists of the first ``<analysis>`` and the first ``<score>``, as Python literals of any kind.

    The value is that of a reply whose item is not known yet; :func:`counted` makes the score.
    """
    if len(text) > LONGEST:
        return None
    analysis, score = _inside(text, "analysis"), _inside(text, "score")
    if analysis is None or score is None:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in the judge's strings
            lists = [ast.literal_eval(literal.strip()) for literal in (analysis, score)]
        lengths = [len(entries) for entries in lists]
    except FAULTS:
        return None
    if lengths[0] != lengths[1]:
        return None
    return Score(0.0, details={"marks": _marks(lists[1])})


def counted(item: Item, stated: Score) -> Score | None:
    """The share of the test points that hold; ``None`` if the reply has another number of marks.

    A mark is right if it equals 1. Its test point counts as an aspect, and so does the part of its name before ``-``.
    """
    points, marks = item.metadata["points"], stated.details["marks"]
    if len(points) != len(marks):
        return None
    wrong = [
        f"{point}: {described}"
        for point, described, right in zip(points, item.metadata["descriptions"], marks, strict=True)
        if not right
    ]
    aspects = []
    for point, right in zip(points, marks, strict=True):
        aspects.append([point.partition("-")[0].strip(), float(right)])
        if "-" in point:
            aspects.append([point, float(right)])
    return Score(sum(marks) / len(marks), "\n".join(wrong), {"marks": marks, "aspects": aspects})


def _inside(text: str, tag: str) -> str | None:
    """What stands between the first opening tag and the first closing tag after it."""
    _, opened, rest = text.partition(f"<{tag}>")
    inside, closed, _ = rest.partition(f"</{tag}>")
    return inside if opened and closed else None


def _marks(listed: Any) -> list[bool]:
    """Whether each mark equals 1; of a text or a mapping, as the published program goes through them."""
    return [bool(mark == 1) for mark in listed]
