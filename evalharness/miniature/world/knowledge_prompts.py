"""Prompts that need knowledge: they describe what they ask for instead of naming it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from evalharness._util.text import plural, with_article
from evalharness.miniature.world.board import CLASSES
from evalharness.miniature.world.knowledge import FACTS, Fact, taught
from evalharness.miniature.world.scenes import NUMBERS, RELATIONS

_COUNTS = {word: number for number, word in NUMBERS.items()}


def prompt_about(fact: Fact, *names: str) -> str:
    """The prompt that ``wise-mini`` has for a fact.

    Args:
        fact: The fact.
        names: Classes beside it: none for a thing, one for a colour or a number, two for a place.

    >>> prompt_about(next(fact for fact in FACTS if fact.kind == "color"), "bed")
    'a photo of a bed in the color of a bride'
    """
    if fact.kind == "thing":
        return f"a photo of {fact.phrase}"
    if fact.kind == "color":
        return f"a photo of {with_article(names[0])} in {fact.phrase}"
    if fact.kind == "number":
        return f"a photo of as many {plural(names[0])} as {fact.phrase}"
    return f"a photo of {with_article(names[0])} {fact.phrase} {with_article(names[1])}"


def meaning(fact: Fact, *names: str) -> dict[str, Any]:
    """The ``include`` of a GenEval prompt that means the same as :func:`prompt_about`."""
    if fact.kind == "thing":
        return {"include": [_clause(fact.answer)]}
    if fact.kind == "color":
        return {"include": [{"class": names[0], "count": 1, "color": fact.answer}]}
    if fact.kind == "number":
        return {"include": [{"class": names[0], "count": _COUNTS[fact.answer]}]}
    return {"include": [_clause(names[1]), {**_clause(names[0]), "position": [fact.answer, 0]}]}


def knowledge_prompt(rng: random.Random) -> tuple[str, Mapping[str, Any]]:
    """A random prompt that ``wise-mini`` does not have, and its meaning."""
    fact = rng.choice(FACTS)
    if fact.kind != "thing":
        names = rng.sample([name for name in CLASSES if taught(fact, name)], 2)
        return prompt_about(fact, *names), meaning(fact, *names)
    other = rng.choice([name for name in CLASSES if name != fact.answer])
    answer, companion = _clause(fact.answer), _clause(other)
    form = rng.random()
    if form < 0.4:
        return f"a picture of {fact.phrase}", {"include": [answer]}
    if form < 0.6:
        return f"a photo of {fact.phrase} and {with_article(other)}", {"include": [answer, companion]}
    if form < 0.8:
        return f"a photo of {with_article(other)} and {fact.phrase}", {"include": [companion, answer]}
    relation = rng.choice(RELATIONS)
    prompt = f"a photo of {with_article(other)} {relation} {fact.phrase}"
    return prompt, {"include": [answer, {**companion, "position": [relation, 0]}]}


def _clause(name: str) -> dict[str, Any]:
    return {"class": name, "count": 1}
