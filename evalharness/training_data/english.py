"""Plain English for scene graphs without places: what an editing pipeline and a large model read."""

from __future__ import annotations

import re
from collections import Counter

from evalharness._util.text import plural
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Mismatch

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
_SIDES = {"left of": "to the left of", "right of": "to the right of"}
_PHRASE = re.compile(r"(?P<number>an?|\w+) (?P<noun>.+)")


class English:
    """See the module's docstring.

    >>> English().description(SceneGraph((Node("cat"), Node("cat"), Node("cup", "orange"))))
    'two cats and an orange cup'
    """

    def description(self, graph: SceneGraph) -> str:
        counts = Counter((node.name, node.color) for node in graph.nodes)
        things = [_several(count, Node(name, color)) for (name, color), count in counts.items()]
        relations = dict.fromkeys(
            f"the {_noun(graph.nodes[edge.subject])} is {_SIDES.get(edge.relation, edge.relation)} "
            f"the {_noun(graph.nodes[edge.object])}"
            for edge in graph.edges
        )
        said = " and ".join(things) or "nothing"
        return said + "".join(f", {relation}" for relation in relations)

    def instruction(self, told: SceneGraph, node: int) -> str:
        thing = told.nodes[node]
        again = any((n.name, n.color) == (thing.name, thing.color) for n in told.nodes[:node])
        where = dict.fromkeys(
            f" {_SIDES.get(edge.relation, edge.relation)} the {_noun(told.nodes[edge.object])}"
            for edge in told.edges
            if edge.subject == node
        )
        return f"Add {'another ' + _noun(thing) if again else _one(thing)}{' and'.join(where)}"

    def conflict(self, mismatches: list[Mismatch]) -> str:
        return "; ".join(_wrong(one) for one in mismatches)

    def correction(self, mismatches: list[Mismatch]) -> str:
        return "; ".join(_mend(one) for one in mismatches)

    def read(self, description: str) -> list[Node] | None:
        """Things alone: what it says of relations is not read."""
        things = description.split(",")[0].strip().lower()
        nodes: list[Node] = []
        for phrase in things.split(" and ") if things != "nothing" else []:
            found = _PHRASE.fullmatch(phrase)
            if found is None:
                return None
            number = 1 if found["number"] in ("a", "an") else _number(found["number"])
            if number == 0:
                return None
            color, name = _split(found["noun"])
            nodes += [Node(_singular(name) if number > 1 else name, color)] * number
        return nodes


def _number(word: str) -> int:
    return NUMBERS.index(word) if word in NUMBERS else 0


def _split(noun: str) -> tuple[str | None, str]:
    first, _, rest = noun.partition(" ")
    return (first, rest) if first in COLORS and rest else (None, noun)


def _noun(node: Node) -> str:
    return f"{node.color} {node.name}" if node.color else node.name


def _one(node: Node) -> str:
    noun = _noun(node)
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _several(count: int, node: Node) -> str:
    if count == 1:
        return _one(node)
    noun = _noun(node)
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    return f"{number} {plural(noun)}"


def _singular(noun: str) -> str:
    return noun[:-2] if noun.endswith("ses") else noun.removesuffix("s")


def _wrong(one: Mismatch) -> str:
    if one.found is None:
        assert one.wanted is not None
        return f"{_one(one.wanted)} is missing"
    if one.wanted is None:
        return f"{_one(one.found)} should not be there"
    if one.found == one.wanted:
        return f"the {_noun(one.wanted)} is not where it should be"
    return f"{_one(one.found)} should be {_one(one.wanted)}"


def _mend(one: Mismatch) -> str:
    if one.found is None:
        assert one.wanted is not None
        return f"Add {_one(one.wanted)}"
    if one.wanted is None:
        return f"Remove the {_noun(one.found)}"
    if one.found == one.wanted:
        return f"Move the {_noun(one.wanted)} to where it belongs"
    return f"Change the {_noun(one.found)} into {_one(one.wanted)}"
