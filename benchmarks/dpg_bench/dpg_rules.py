"""From yes and no to the score of an image.

Source: ``compute_dpg_bench.py`` of TencentQQGYLab/ELLA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalharness.errors import SampleError
from evalharness.types.item import Item
from evalharness.types.score import LAST_IMAGE_ONLY, Score

from .question_file import Protocol

Questions = Sequence[Mapping[str, Any]]


def scored(item: Item, answers: Sequence[Score], protocol: Protocol) -> Score | SampleError:
    """The share of the questions that are answered yes, and so are those that they rest on.

    The published program goes through the questions once, in the order of their rows: a question that stands before one
    that it rests on does not see that this one was set to no itself. It fails at a question that is missing.

    Args:
        item: Its metadata have the questions.
        answers: 1 for yes, 0 for no.

    Aspects are the answers as given, by category and by the part of its name before ``-``; as published those of a
    prompt's last image alone.
    """
    questions: Questions = item.metadata["questions"]
    said = [answer.value == 1 for answer in answers]
    counts = {question["number"]: yes for question, yes in zip(questions, said, strict=True)}
    if protocol == "corrected":
        while _set_to_no(questions, counts):
            pass
    else:
        try:
            _set_to_no(questions, counts, strict=True)
        except KeyError as error:
            return SampleError(f"a question rests on question {error}, which is missing: the published program fails")
    wrong = [question["question"] for question in questions if not counts[question["number"]]]
    aspects = [
        [name, float(yes)]
        for question, yes in zip(questions, said, strict=True)
        for name in dict.fromkeys([question["category"].partition("-")[0].strip(), question["category"]])
    ]
    details: dict[str, Any] = {
        "answers": ["yes" if yes else "no" for yes in said],
        "right": list(counts.values()),
        "aspects": aspects,
    }
    if protocol == "published":
        details[LAST_IMAGE_ONLY] = True
    return Score(sum(counts.values()) / len(counts), "\n".join(f"not right: {text}" for text in wrong), details)


def _set_to_no(questions: Questions, counts: dict[int, bool], strict: bool = False) -> bool:
    """Go through the questions once and set those to no that rest on a no; returns whether any was.

    Raises:
        KeyError: If ``strict``, a question that another one rests on is missing; it counts as answered yes otherwise.
    """
    changed = False
    for question in questions:
        for number in question["after"]:
            if not (counts[number] if strict else counts.get(number, True)):
                changed |= counts[question["number"]]
                counts[question["number"]] = False
                break
    return changed
