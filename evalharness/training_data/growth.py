"""Whether instructions ask for what is lacking, and descriptions grow: thing by thing, or word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_PLACED = re.compile(r"(?P<thing>an? [^,;.]+?) at (?P<place>[a-z]+(?:-[a-z]+)?)")
_ADD = re.compile(r"add (?P<thing>an? .+) at (?P<place>[a-z-]+)")
_CHANGE = re.compile(r"change to (?P<thing>an? .+) at (?P<place>[a-z-]+)")
_ERASE = re.compile(r"erase (?P<place>[a-z-]+)")
_WORD = re.compile(r"[a-z0-9][a-z0-9'-]*")
_AGAIN = {
    "another", "more", "again", "second", "third", "fourth", "fifth", "both", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten",
}  # fmt: skip
"""Words of an instruction that ask for something new by themselves."""
_EMPTY = {
    "a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "by", "for", "from", "into", "is", "are", "it",
    "its", "so", "that", "there", "this", "now", "then", "add", "place", "put", "draw", "paint", "include", "insert",
    "scene", "picture", "image", "photo", "shows", "show", "has", "have", "one", "no", "next", "also", "as", "be",
}  # fmt: skip
"""Words that name nothing."""

Broken = tuple[str, str]


@dataclass
class State:
    """What the picture shows as far as the texts tell."""

    things: dict[str, str] | None = field(default_factory=dict)
    """Place → thing; ``None`` once a description was not in a language of placed things."""
    words: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    """Words that a refinement or an instruction to take away spoke of: they may go."""

    def plan(self, instruction: str, description: str) -> list[Broken]:
        """A plan against what was before; the description is then what the picture shows."""
        after = placed(description)
        if after is not None and self.things is not None:
            broken = list(_by_thing(self.things, instruction.lower().strip(), after))
        else:
            broken = list(self._by_word(instruction, description))
        self.things = after if self.things is not None else None
        self.words, self.excused = _words(description), set()
        return broken

    def refine(self, correction: str) -> None:
        """A correction changes what the picture shows."""
        self.excused |= self.words if not _words(correction) else _words(correction) | self.excused
        # In free text one cannot tell what a correction takes away: none of what it touches is asked for again.
        self.words = self.words if self.things is not None else set()
        if self.things is not None:
            for part in correction.lower().split(" and "):
                if found := _CHANGE.fullmatch(part.strip()):
                    self.things[found["place"]] = found["thing"]
                elif found := _ERASE.fullmatch(part.strip()):
                    self.things.pop(found["place"], None)

    def _by_word(self, instruction: str, description: str) -> Iterator[Broken]:
        asked, told = _words(instruction), _words(description)
        takes_away = bool(re.match(r"\s*(remove|erase|delete|change|replace|move|fix|correct)\b", instruction.lower()))
        fresh = asked - self.words
        again = set(_WORD.findall(instruction.lower())) & _AGAIN
        if not fresh and not again and not takes_away:
            yield "instruction", f"{instruction[:60]!r} names nothing that the description so far lacks"
        elif fresh and not takes_away and not fresh & told and not again:
            yield "description", f"has nothing of what the instruction adds ({', '.join(sorted(fresh)[:5])})"
        lost = self.words - told - self.excused - (asked if takes_away else set())
        if lost:
            yield "description", f"lost {', '.join(sorted(lost)[:5])}"


def placed(description: str) -> dict[str, str] | None:
    """Place → thing of a description of placed things, ``None`` for any other.

    >>> placed("a red cup at left and a dog at top")
    {'left': 'a red cup', 'top': 'a dog'}
    """
    text = description.lower().strip()
    if text == "nothing":
        return {}
    found = [_PLACED.fullmatch(part.strip()) for part in text.split(" and ")]
    things = {one["place"]: one["thing"] for one in found if one is not None}
    return things if len(things) == len(found) else None


def _by_thing(before: dict[str, str], instruction: str, after: dict[str, str]) -> Iterator[Broken]:
    expected = dict(before)
    if found := _ADD.fullmatch(instruction):
        place, thing = found["place"], found["thing"]
        if place in before:
            yield "instruction", f"adds {thing} at {place}, where {before[place]} is already"
        expected[place] = thing
    elif found := _CHANGE.fullmatch(instruction):
        expected[found["place"]] = found["thing"]
    elif found := _ERASE.fullmatch(instruction):
        expected.pop(found["place"], None)
    else:
        yield "instruction", f"{instruction[:60]!r} neither adds, changes nor erases anything"
        return
    for place, thing in expected.items():
        if after.get(place) != thing:
            yield "description", f"should have {thing} at {place}, and has {after.get(place, 'nothing')}"
    for place in after.keys() - expected.keys():
        yield "description", f"has {after[place]} at {place}, which nothing asked for"


def _words(text: str) -> set[str]:
    """The words that name something, singular."""
    found = {word for word in _WORD.findall(text.lower()) if word not in _EMPTY and word not in _AGAIN}
    return {_singular(word) for word in found}


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
