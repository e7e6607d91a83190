"""Checks that instructions ask for something new and that descriptions grow, thing by thing or word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evalharness.training_data.english_parser import read_addition, read_correction, read_description
from evalharness.training_data.graphs import Node

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
        things: The described things; ``None`` after a description that is not in the project's English.
        unsettled: Classes that refinements named since; their things are not compared with the next description,
            because texts do not tell whether the plan or the sketch was wrong.
        words: The words of the last description that name something.
        removable: Words of refinements and removing instructions; a description may lose them.
    """

    things: Counter[Node] | None = field(default_factory=Counter)
    unsettled: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    removable: set[str] = field(default_factory=set)

    def plan(self, instruction: str, description: str) -> list[Fault]:
        """Check a plan against the state; its description is the new state."""
        described = read_description(description)
        added = read_addition(instruction)
        things = None if described is None else Counter(described.nodes)
        if things is not None and self.things is not None and added is not None:
            faults = list(self._compare_things(added, things))
        else:
            faults = list(self._compare_words(instruction, description))
        self.things = things
        self.words, self.removable, self.unsettled = _words(description), set(), set()
        return faults

    def refine(self, correction: str) -> None:
        """Change the state as a correction asks for."""
        self.removable |= _words(correction) or self.words
        conflict = read_correction(correction)
        if conflict is None:
            # Free text does not tell what a correction changes: nothing is required of the next description.
            self.words, self.things = set(), None
            return
        nodes = [conflict.seen, conflict.wanted, *(relation.object for relation in conflict.relations)]
        self.unsettled |= {node.name for node in nodes if node is not None}
        if conflict.wanted is not None and self.things is not None and not self.things[conflict.wanted]:
            # The plan lacks what is wanted, so it was wrong; what of it was wrong is not in the words.
            self.words, self.things = set(), None

    def _compare_things(self, added: Sequence[Node], after: Counter[Node]) -> Iterator[Fault]:
        assert self.things is not None
        expected = self.things + Counter(added)
        for node in dict.fromkeys(added):
            if 0 < self.things[node] >= after[node] and node.name not in self.unsettled:
                yield "instruction", f"asks for {_noun(node)}, which the description so far has"
        for node, count in (expected - after).items():
            if node.name not in self.unsettled:
                yield "description", f"lacks {count} {_noun(node)}"
        for node, count in (after - expected).items():
            if node.name not in self.unsettled:
                yield "description", f"has {count} {_noun(node)} that nothing asked for"

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


def _noun(node: Node) -> str:
    return f"{node.color} {node.name}" if node.color else node.name


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
