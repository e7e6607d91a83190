"""Checks that instructions ask for something new and that descriptions grow, thing by thing or word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_PLACED = re.compile(r"(?P<thing>an? [^,;.]+?) at (?P<place>[a-z]+(?:-[a-z]+)?)")
_ADD = re.compile(r"add (?P<thing>an? .+) at (?P<place>[a-z-]+)")
_CHANGE = re.compile(r"change to (?P<thing>an? .+) at (?P<place>[a-z-]+)")
_ERASE = re.compile(r"erase (?P<place>[a-z-]+)")
_REMOVAL = re.compile(r"\s*(remove|erase|delete|change|replace|move|fix|correct)\b")
_WORD = re.compile(r"[a-z0-9][a-z0-9'-]*")
_REPEATS = {
    "another", "more", "again", "second", "third", "fourth", "fifth", "both", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten",
}  # fmt: skip
"""Words by which an instruction asks for one more of something."""
_EMPTY = {
    "a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "by", "for", "from", "into", "is", "are", "it",
    "its", "so", "that", "there", "this", "now", "then", "add", "place", "put", "draw", "paint", "include", "insert",
    "scene", "picture", "image", "photo", "shows", "show", "has", "have", "one", "no", "next", "also", "as", "be",
}  # fmt: skip
"""Words that name no thing."""

Fault = tuple[str, str]
"""The name of the broken rule, ``instruction`` or ``description``, and how it is broken."""


@dataclass
class DescribedState:
    """The content of the picture according to the texts so far.

    Attributes:
        things: Place → thing; ``None`` after a description that is not in a language of placed things.
        words: The words of the last description that name something.
        removable: Words of refinements and removing instructions; a description may lose them.
    """

    things: dict[str, str] | None = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    removable: set[str] = field(default_factory=set)

    def plan(self, instruction: str, description: str) -> list[Fault]:
        """Check a plan against the state; its description is the new state."""
        things = placed(description)
        if things is not None and self.things is not None:
            faults = list(_compare_things(self.things, instruction.lower().strip(), things))
        else:
            faults = list(self._compare_words(instruction, description))
        self.things = things if self.things is not None else None
        self.words, self.removable = _words(description), set()
        return faults

    def refine(self, correction: str) -> None:
        """Change the state as a correction asks for."""
        self.removable |= _words(correction) or self.words
        if self.things is None:
            # Free text does not tell what a correction removes: nothing is required of the next description.
            self.words = set()
            return
        for clause in correction.lower().split(" and "):
            if match := _CHANGE.fullmatch(clause.strip()):
                self.things[match["place"]] = match["thing"]
            elif match := _ERASE.fullmatch(clause.strip()):
                self.things.pop(match["place"], None)

    def _compare_words(self, instruction: str, description: str) -> Iterator[Fault]:
        instructed, described = _words(instruction), _words(description)
        removes = bool(_REMOVAL.match(instruction.lower()))
        new = instructed - self.words
        repeats = set(_WORD.findall(instruction.lower())) & _REPEATS
        if not new and not repeats and not removes:
            yield "instruction", f"{instruction[:60]!r} names nothing that the description so far lacks"
        elif new and not removes and not new & described and not repeats:
            yield "description", f"has nothing of what the instruction adds ({', '.join(sorted(new)[:5])})"
        missing = self.words - described - self.removable - (instructed if removes else set())
        if missing:
            yield "description", f"lost {', '.join(sorted(missing)[:5])}"


def placed(description: str) -> dict[str, str] | None:
    """Place → thing of a description of placed things; ``None`` for any other description.

    >>> placed("a red cup at left and a dog at top")
    {'left': 'a red cup', 'top': 'a dog'}
    """
    text = description.lower().strip()
    if text == "nothing":
        return {}
    things = {}
    clauses = text.split(" and ")
    for clause in clauses:
        if match := _PLACED.fullmatch(clause.strip()):
            things[match["place"]] = match["thing"]
    return things if len(things) == len(clauses) else None


def _compare_things(before: dict[str, str], instruction: str, after: dict[str, str]) -> Iterator[Fault]:
    expected = dict(before)
    if match := _ADD.fullmatch(instruction):
        place, thing = match["place"], match["thing"]
        if place in before:
            yield "instruction", f"adds {thing} at {place}, where {before[place]} is already"
        expected[place] = thing
    elif match := _CHANGE.fullmatch(instruction):
        expected[match["place"]] = match["thing"]
    elif match := _ERASE.fullmatch(instruction):
        expected.pop(match["place"], None)
    else:
        yield "instruction", f"{instruction[:60]!r} neither adds, changes nor erases anything"
        return
    for place, thing in expected.items():
        if after.get(place) != thing:
            yield "description", f"should have {thing} at {place}, and has {after.get(place, 'nothing')}"
    for place in after.keys() - expected.keys():
        yield "description", f"has {after[place]} at {place}, which nothing asked for"


def _words(text: str) -> set[str]:
    """The words that name something, in the singular."""
    words = set(_WORD.findall(text.lower()))
    return {_singular(word) for word in words - _EMPTY - _REPEATS}


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
