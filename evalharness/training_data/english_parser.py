"""Reads the descriptions, inspections and corrections of :mod:`~evalharness.training_data.english`.

Case does not matter. A text that is not in this English is ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from evalharness._util.text import singular
from evalharness.training_data.conflicts import SMUDGE, Conflict, Relation
from evalharness.training_data.graphs import DIRECTIONS, Edge, Node, SceneGraph

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")

LONGEST_NAME = 2
"""Words of the name of a class; a longer one is a phrase of free text, such as "red apple on a table"."""

_RELATION = rf"(?P<relation>{'|'.join(DIRECTIONS)})"
_COUNTED = re.compile(r"(?P<number>an?|two|three|four|five|six|seven|eight|nine|\d+) (?P<noun>[a-z].*)")
_FACT = re.compile(rf"the (?P<subject>[a-z].*?) is {_RELATION} the (?P<object>[a-z].*)")
_RELATED = re.compile(rf" ?(?:and )?{_RELATION} the (?P<object>[a-z].*?)(?= and (?:{'|'.join(DIRECTIONS)}) the |$)")
_SMUDGED = f"a {SMUDGE} should not be there"

_MISSING = re.compile(r"an? (?P<wanted>.+) is missing")
_TOO_MANY = re.compile(r"one (?P<seen>.+) too many")
_WRONG_COLOR = re.compile(rf"the (?P<seen>.+) should be (?P<color>{'|'.join(COLORS)})")
_WRONG_RELATION = re.compile(rf"the (?P<wanted>.+?) is not {_RELATION} the (?P<object>.+)")
_WRONG_THING = re.compile(r"an? (?P<seen>.+) should be an? (?P<wanted>.+)")

_ADD = re.compile(rf"add an? (?P<wanted>.+?)(?P<relations> (?:{'|'.join(DIRECTIONS)}) the .+)?")
_TAIL = re.compile(rf" (?:{'|'.join(DIRECTIONS)}) the .+")
_REMOVE = re.compile(r"remove one (?P<seen>.+)")
_MAKE = re.compile(rf"make the (?P<seen>.+) (?P<color>{'|'.join(COLORS)})")
_MOVE = re.compile(rf"move the (?P<wanted>.+?) {_RELATION} the (?P<object>.+)")
_CHANGE = re.compile(r"change the (?P<seen>.+) into an? (?P<wanted>.+)")


def read_description(text: str) -> SceneGraph | None:
    """The scene of a description; its edges are between all things that the nouns of a relation name.

    >>> read_description("a cat and two cups; the cat is left of the cup").edges
    (Edge(subject=0, relation='left of', object=1), Edge(subject=0, relation='left of', object=2))
    """
    things, *facts = (clause.strip() for clause in text.lower().split(";"))
    nodes: list[Node] = []
    for phrase in things.split(" and ") if things != "nothing" else []:
        match = _COUNTED.fullmatch(phrase.strip())
        count = 0 if match is None else _number(match["number"])
        if match is None or count == 0 or len(read_noun(match["noun"]).name.split()) > LONGEST_NAME:
            return None
        nodes += [read_noun(match["noun"] if count == 1 else singular(match["noun"]))] * count
    edges: list[Edge] = []
    for fact in facts:
        match = _FACT.fullmatch(fact)
        if match is None:
            return None
        pairs = [
            Edge(subject, match["relation"], object_)
            for subject in _indices(nodes, match["subject"])
            for object_ in _indices(nodes, match["object"])
            if subject != object_
        ]
        if not pairs:
            return None
        edges += pairs
    return SceneGraph(tuple(nodes), tuple(edges))


def read_noun(words: str) -> Node:
    """The thing of a noun with its colour.

    >>> read_noun("orange cup"), read_noun("orange")
    (Node(name='cup', color='orange', place=None), Node(name='orange', color=None, place=None))
    """
    first, _, rest = words.strip().partition(" ")
    return Node(rest, first) if first in COLORS and rest else Node(words.strip())


def read_conflict(inspection: str) -> Conflict | None:
    """The conflict that an inspection names; the relations of a missing thing are not in its words.

    >>> read_conflict("the cup is not left of the bench").relations
    (Relation(name='left of', object=Node(name='bench', color=None, place=None)),)
    """
    text = inspection.lower().strip()
    if text == _SMUDGED:
        return Conflict("smudge", Node(SMUDGE))
    if match := _MISSING.fullmatch(text):
        return Conflict("missing", None, read_noun(match["wanted"]))
    if match := _TOO_MANY.fullmatch(text):
        return Conflict("too many", read_noun(match["seen"]))
    if match := _WRONG_RELATION.fullmatch(text):
        return _misplaced(match)
    if match := _WRONG_THING.fullmatch(text):
        return Conflict("wrong thing", read_noun(match["seen"]), read_noun(match["wanted"]))
    if match := _WRONG_COLOR.fullmatch(text):
        return _discolored(match)
    return None


def read_correction(correction: str) -> Conflict | None:
    """The conflict that a correction mends.

    >>> read_correction("Make the red dog blue")
    Conflict(kind='wrong color', seen=Node(name='dog', color='red', place=None), \
wanted=Node(name='dog', color='blue', place=None), relations=())
    """
    text = correction.lower().strip()
    if text == f"clear the {SMUDGE}":
        return Conflict("smudge", Node(SMUDGE))
    if match := _ADD.fullmatch(text):
        relations = tuple(_relations(match["relations"] or ""))
        return Conflict("missing", None, read_noun(match["wanted"]), relations)
    if match := _REMOVE.fullmatch(text):
        return Conflict("too many", read_noun(match["seen"]))
    if match := _MOVE.fullmatch(text):
        return _misplaced(match)
    if match := _CHANGE.fullmatch(text):
        return Conflict("wrong thing", read_noun(match["seen"]), read_noun(match["wanted"]))
    if match := _MAKE.fullmatch(text):
        return _discolored(match)
    return None


def read_addition(instruction: str) -> list[Node] | None:
    """The things that an instruction adds; ``None`` if it does anything else.

    >>> [node.name for node in read_addition("Add two more cats and another cup; the cup is above the cat")]
    ['cat', 'cat', 'cup']
    """
    clause = instruction.lower().split(";")[0].strip()
    if not clause.startswith("add "):
        return None
    phrase = _TAIL.sub("", clause.removeprefix("add "))
    things = re.sub(r"\banother ", "a ", phrase).replace(" more ", " ")
    graph = read_description(things)
    return None if graph is None else list(graph.nodes)


def _number(word: str) -> int:
    if word in ("a", "an"):
        return 1
    return NUMBERS.index(word) if word in NUMBERS else min(int(word), 99)


def _indices(nodes: list[Node], words: str) -> list[int]:
    return [index for index, node in enumerate(nodes) if node == read_noun(words)]


def _relations(text: str) -> Iterable[Relation]:
    for match in _RELATED.finditer(text):
        yield Relation(match["relation"], read_noun(match["object"]))


def _misplaced(match: re.Match[str]) -> Conflict:
    relation = Relation(match["relation"], read_noun(match["object"]))
    return Conflict("wrong relation", None, read_noun(match["wanted"]), (relation,))


def _discolored(match: re.Match[str]) -> Conflict:
    seen = read_noun(match["seen"])
    return Conflict("wrong color", seen, Node(seen.name, match["color"]))
