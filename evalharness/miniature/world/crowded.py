"""Harder prompts: several things, numbers, colours and relations at once.

GenEval's prompts ask for one or two facts, and the shipped model gets nearly all of them right in a single pass. These
ask for three to six things. Their metadata follow GenEval's rules, so the same scorer judges them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from evalharness._util.text import plural, with_article
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES
from evalharness.miniature.world.scenes import NUMBERS, RELATIONS

TAGS = ("things", "numbers", "attributes", "relations", "mixed")
TAG_SHARES = (1, 1, 1, 3, 2)
"""Relative shares in training data: relations are learned last."""
_COLORABLE = [name for name in CLASSES if name != "person"]


def metadata(rng: random.Random, tag: str) -> dict[str, Any]:
    """One prompt, drawn at random.

    ``things``: three to five classes. ``numbers``: two classes, two or three of each. ``attributes``: three or four
    things, each in a colour, never two alike. ``relations``: two pairs. ``mixed``: a number, a colour, and a pair of
    coloured things.
    """
    if tag == "things":
        return _prompt(tag, [(name, 1, None) for name in rng.sample(CLASSES, rng.randint(3, 5))])
    if tag == "numbers":
        return _prompt(tag, [(name, rng.randint(2, 3), None) for name in rng.sample(CLASSES, 2)])
    if tag == "attributes":
        count = rng.randint(3, 4)
        names, colors = rng.sample(_COLORABLE, count), rng.sample(COLOR_NAMES, count)
        return _prompt(tag, [(name, 1, color) for name, color in zip(names, colors, strict=True)])
    if tag == "relations":
        names = rng.sample(CLASSES, 4)
        pairs = {1: rng.choice(RELATIONS), 3: rng.choice(RELATIONS)}
        return _prompt(tag, [(name, 1, None) for name in names], pairs)
    if tag == "mixed":
        names, colors = rng.sample(_COLORABLE, 3), rng.sample(COLOR_NAMES, 3)
        counts = (1, 1, rng.randint(2, 3))
        things = list(zip(names, counts, colors, strict=True))
        return _prompt(tag, things, {1: rng.choice(RELATIONS)})
    raise ValueError(f"no tag {tag!r}")


def generate(n: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """``n`` prompts of each kind, all different: a function of the seed."""
    prompts: dict[str, dict[str, Any]] = {}
    for tag in TAGS:
        rng = random.Random(f"crowded/{seed}/{tag}")
        target = len(prompts) + n
        while len(prompts) < target:
            line = metadata(rng, tag)
            prompts.setdefault(line["prompt"], line)
    return list(prompts.values())


CountedThing = tuple[str, int, str | None]
"""Class, number, colour."""


def _prompt(tag: str, things: Sequence[CountedThing], relations: dict[int, str] | None = None) -> dict[str, Any]:
    """A prompt's line. ``relations``: index of a thing → its relation to the previous one, which follows in words."""
    relations = relations or {}
    include: list[dict[str, Any]] = []
    phrases: list[str] = []
    for number, (name, count, color) in enumerate(things):
        clause: dict[str, Any] = {"class": name, "count": count} | ({"color": color} if color else {})
        phrase = _phrase(name, count, color)
        if number in relations:
            clause["position"] = [relations[number], number - 1]
            phrase = f"{phrase} {relations[number]} {phrases.pop()}"
        include.append(clause)
        phrases.append(phrase)
    line: dict[str, Any] = {"tag": tag, "include": include, "prompt": f"a photo of {' and '.join(phrases)}"}
    exclude = [{"class": name, "count": count + 1} for name, count, _ in things if count > 1]
    if exclude:
        line["exclude"] = exclude
    return line


def _phrase(name: str, count: int, color: str | None) -> str:
    words = f"{color} {name}" if color else name
    return with_article(words) if count == 1 else f"{NUMBERS[count]} {plural(words)}"
