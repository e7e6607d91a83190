"""Prompts with a riddle in them, and the scenes that they mean."""

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
    """The prompt that ``wise-mini`` has for a fact; a riddle for a thing takes no class, one for a place two.

    >>> ask(next(fact for fact in FACTS if fact.kind == "color"), "bed")
    'a photo of a bed in the color of a bride'
    """
    if fact.kind == "thing":
        return f"a photo of {fact.riddle}"
    if fact.kind == "color":
        return f"a photo of {with_article(names[0])} in {fact.riddle}"
    if fact.kind == "number":
        return f"a photo of as many {plural(names[0])} as {fact.riddle}"
    return f"a photo of {with_article(names[0])} {fact.riddle} {with_article(names[1])}"


def meaning(fact: Fact, *names: str) -> dict[str, Any]:
    """What :func:`prompt_about` means, as the ``include`` of a GenEval prompt."""
    if fact.kind == "thing":
        return {"include": [{"class": fact.answer, "count": 1}]}
    if fact.kind == "color":
        return {"include": [{"class": names[0], "count": 1, "color": fact.answer}]}
    if fact.kind == "number":
        return {"include": [{"class": names[0], "count": _COUNTS[fact.answer]}]}
    return {"include": [_one(names[1]), {**_one(names[0]), "position": [fact.answer, 0]}]}


def knowledge_prompt(rng: random.Random) -> tuple[str, Mapping[str, Any]]:
    """A prompt that ``wise-mini`` does not have, and what it means."""
    fact = rng.choice(FACTS)
    if fact.kind != "thing":
        names = rng.sample([name for name in CLASSES if taught(fact, name)], 2)
        return prompt_about(fact, *names), meaning(fact, *names)
    other = rng.choice([name for name in CLASSES if name != fact.answer])
    answer, beside = _one(fact.answer), _one(other)
    at = rng.random()
    if at < 0.4:
        return f"a picture of {fact.riddle}", {"include": [answer]}
    if at < 0.6:
        return f"a photo of {fact.riddle} and {with_article(other)}", {"include": [answer, beside]}
    if at < 0.8:
        return f"a photo of {with_article(other)} and {fact.riddle}", {"include": [beside, answer]}
    relation = rng.choice(RELATIONS)
    return (
        f"a photo of {with_article(other)} {relation} {fact.riddle}",
        {"include": [answer, {**beside, "position": [relation, 0]}]},
    )


def _one(name: str) -> dict[str, Any]:
    return {"class": name, "count": 1}
