"""Soft-TIFA: how probable a vision-language model finds the right answer to each question about an image.

Source: ``evaluation.py`` of facebookresearch/GenEval2. A question is asked with "Answer in one word."; its score is the
probability of the right answer's first token, over the whole vocabulary, added up over ways to write the answer. Quirks
of the published program that are kept:

- Of a way to write that is several tokens, only the first counts: of `` 6`` that is the space in Qwen's vocabulary.
- Two ways that begin with the same token count it twice.
- All questions but those that begin with "How many" have the answer "Yes", whatever the file says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalharness._util.hashing import digest
from evalharness.types.item import Item
from evalharness.types.score import Score

INSTRUCTION = "{question} Answer in one word."
COUNTING = "How many"
YES = ("Yes", "yes", " yes", " Yes")
DIGITS = {
    word: str(number)
    for number, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
}


class Rubric:
    """The image, then the question."""

    name = "Soft-TIFA"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        return _messages(INSTRUCTION.format(question=item.metadata["question"]), image)

    def digest(self) -> str:
        """Of the instruction and of the ways to write an answer."""
        return digest([_messages(INSTRUCTION, ""), list(YES), {word: list(surface_forms("", word)) for word in DIGITS}])


def surface_forms(question: str, answer: str) -> tuple[str, ...]:
    """The ways to write the right answer of a question; an empty question stands for one that counts.

    >>> surface_forms("How many pigs are in the image?", "six")
    ('six', 'Six', ' six', ' Six', '6', ' 6')
    """
    if question and not question.startswith(COUNTING):
        return YES
    digits = DIGITS.get(answer, "other")
    return (answer, answer.capitalize(), f" {answer}", f" {answer.capitalize()}", digits, f" {digits}")


def arithmetic_mean(values: Sequence[float]) -> float:
    """Soft-TIFA AM of an image: of its atoms."""
    return math.fsum(values) / len(values)


def geometric_mean(values: Sequence[float]) -> float:
    """Soft-TIFA GM of an image: 0 if any probability is."""
    if min(values) <= 0:
        return 0.0
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def combined(item: Item, answers: Sequence[Score], *, geometric: bool) -> Score:
    """The score of an image by the probabilities of its answers."""
    questions = item.metadata["questions"]
    values = [answer.value for answer in answers]
    value = geometric_mean(values) if geometric else arithmetic_mean(values)
    doubtful = [
        f"{question['question']} {question['answer']}: {probability:.2f}"
        for question, probability in zip(questions, values, strict=True)
        if probability < 0.5
    ]
    means = {"am": arithmetic_mean(values), "gm": geometric_mean(values)}
    aspects = [[question["skill"], probability] for question, probability in zip(questions, values, strict=True)]
    details = {"probabilities": values, "aspects": aspects, **means}
    return Score(value, "\n".join(doubtful), details)


def read_probability(text: str) -> Score | None:
    """A probability; at most 1, which only tokens that are counted twice exceed."""
    try:
        value = float(text)
    except ValueError:
        return None
    return Score(min(value, 1.0)) if value >= 0 else None


def _messages(text: str, image: str) -> Sequence[Mapping[str, Any]]:
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
    return [{"role": "user", "content": [shown, {"type": "text", "text": text}]}]
