"""From yes and no to the score of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.types.item import Item
from evalharness.types.score import Score


def scored(item: Item, answers: Sequence[bool]) -> Score:
    """The weighted share of the questions that are answered right, and whose earlier questions are.

    Args:
        item: Its metadata have the questions.
        answers: Whether each is answered by yes.
    """
    questions: Sequence[Mapping[str, Any]] = item.metadata["questions"]
    right: list[bool] = []
    for question, answer in zip(questions, answers, strict=True):
        holds = answer == (question["answer"] == "yes")
        right.append(holds and all(right[number - 1] for number in question["after"]))
    weights = [question["weight"] for question in questions]
    value = sum(weight for weight, holds in zip(weights, right, strict=True) if holds) / sum(weights)
    wrong = [
        question["name"] or question["question"] for question, holds in zip(questions, right, strict=True) if not holds
    ]
    details: dict[str, Any] = {"answers": ["yes" if answer else "no" for answer in answers], "right": right}
    aspects = [[question["aspect"], float(holds)] for question, holds in zip(questions, right, strict=True)]
    if named := [pair for pair in aspects if pair[0] is not None]:
        details["aspects"] = named
    return Score(1.0 if all(right) else min(value, 1.0), "\n".join(f"not right: {text}" for text in wrong), details)
