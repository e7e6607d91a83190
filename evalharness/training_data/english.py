"""Plain English for scene graphs without places, as editing pipelines and large models read it."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from evalharness._util.text import plural, with_article
from evalharness.training_data.graphs import Edge, Node, SceneGraph
from evalharness.training_data.language import Mismatch

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
_RELATIONS = {"left of": "to the left of", "right of": "to the right of"}
_PHRASE = re.compile(r"(?P<number>an?|\w+) (?P<noun>.+)")


class _Phrases(NamedTuple):
    """Templates for each kind of mismatch, with ``{a_seen}``, ``{the_seen}``, ``{a_wanted}`` and ``{the_wanted}``."""

    superfluous: str
    missing: str
    misplaced: str
    different: str


FAULTS = _Phrases(
    superfluous="{a_seen} should not be there",
    missing="{a_wanted} is missing",
    misplaced="{the_wanted} is not where it should be",
    different="{a_seen} should be {a_wanted}",
)
REMEDIES = _Phrases(
    superfluous="Remove {the_seen}",
    missing="Add {a_wanted}",
    misplaced="Move {the_wanted} to where it belongs",
    different="Change {the_seen} into {a_wanted}",
)


class English:
    """A :class:`~evalharness.training_data.language.Language` for worlds without places.

    >>> English().description(SceneGraph((Node("cat"), Node("cat"), Node("cup", "orange"))))
    'two cats and an orange cup'
    """

    def description(self, graph: SceneGraph) -> str:
        counts = Counter((node.name, node.color) for node in graph.nodes)
        things = [_counted(count, Node(name, color)) for (name, color), count in counts.items()]
        relations = dict.fromkeys(
            f"the {_noun(graph.nodes[edge.subject])} is {_relation(graph, edge)}" for edge in graph.edges
        )
        return ", ".join([" and ".join(things) or "nothing", *relations])

    def instruction(self, graph: SceneGraph, index: int) -> str:
        thing = graph.nodes[index]
        repeated = any((node.name, node.color) == (thing.name, thing.color) for node in graph.nodes[:index])
        phrase = f"another {_noun(thing)}" if repeated else _singular(thing)
        relations = dict.fromkeys(f" {_relation(graph, edge)}" for edge in graph.edges if edge.subject == index)
        return f"Add {phrase}{' and'.join(relations)}"

    def conflict(self, mismatches: list[Mismatch]) -> str:
        return "; ".join(_word(mismatch, FAULTS) for mismatch in mismatches)

    def correction(self, mismatches: list[Mismatch]) -> str:
        return "; ".join(_word(mismatch, REMEDIES) for mismatch in mismatches)

    def read(self, description: str) -> list[Node] | None:
        """The things that a description names; its relations are ignored."""
        things = description.split(",")[0].strip().lower()
        nodes: list[Node] = []
        for phrase in things.split(" and ") if things != "nothing" else []:
            match = _PHRASE.fullmatch(phrase)
            if match is None:
                return None
            count = 1 if match["number"] in ("a", "an") else _parse_number(match["number"])
            if count == 0:
                return None
            color, name = _split_color(match["noun"])
            nodes += [Node(_strip_plural(name) if count > 1 else name, color)] * count
        return nodes


def _parse_number(word: str) -> int:
    return NUMBERS.index(word) if word in NUMBERS else 0


def _split_color(noun: str) -> tuple[str | None, str]:
    first, _, rest = noun.partition(" ")
    return (first, rest) if first in COLORS and rest else (None, noun)


def _noun(node: Node) -> str:
    return f"{node.color} {node.name}" if node.color else node.name


def _singular(node: Node) -> str:
    return with_article(_noun(node))


def _counted(count: int, node: Node) -> str:
    if count == 1:
        return _singular(node)
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    return f"{number} {plural(_noun(node))}"


def _strip_plural(noun: str) -> str:
    return noun[:-2] if noun.endswith("ses") else noun.removesuffix("s")


def _relation(graph: SceneGraph, edge: Edge) -> str:
    return f"{_RELATIONS.get(edge.relation, edge.relation)} the {_noun(graph.nodes[edge.object])}"


def _word(mismatch: Mismatch, phrases: _Phrases) -> str:
    seen, wanted = mismatch.seen, mismatch.wanted
    if wanted is None:
        template = phrases.superfluous
    elif seen is None:
        template = phrases.missing
    elif seen == wanted:
        template = phrases.misplaced
    else:
        template = phrases.different
    nodes = {"seen": seen, "wanted": wanted}
    fields = {f"the_{name}": f"the {_noun(node)}" for name, node in nodes.items() if node is not None}
    fields |= {f"a_{name}": _singular(node) for name, node in nodes.items() if node is not None}
    return template.format(**fields)
