"""The miniature's language: every thing with its place, ``a red apple at left``, joined by ``and``."""

from __future__ import annotations

import re

from evalharness._util.text import with_article
from evalharness.miniature.world.board import CLASSES, COLOR_NAMES, PLACES, natural_color
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Mismatch

SMEAR = "smear"
"""The name for the content of a cell that shows something, but no thing."""
_THING = re.compile(
    rf"an? (?:(?P<color>{'|'.join(COLOR_NAMES)}) )?(?P<name>{'|'.join(sorted(CLASSES, key=len, reverse=True))})"
    rf" at (?P<place>{'|'.join(sorted(PLACES, key=len, reverse=True))})"
)


class PlacedLanguage:
    """A :class:`~evalharness.training_data.language.Language` of placed things.

    >>> PlacedLanguage().read("an orange bus at top and a cat at left")
    [Node(name='bus', color='orange', place='top'), Node(name='cat', color=None, place='left')]
    """

    def description(self, graph: SceneGraph) -> str:
        return " and ".join(f"{noun(node)} at {node.place}" for node in graph.nodes) or "nothing"

    def instruction(self, graph: SceneGraph, index: int) -> str:
        thing = graph.nodes[index]
        return f"add {noun(thing)} at {thing.place}"

    def conflict(self, mismatches: list[Mismatch]) -> str:
        return " and ".join(_fault(mismatch) for mismatch in mismatches)

    def correction(self, mismatches: list[Mismatch]) -> str:
        return " and ".join(_remedy(mismatch) for mismatch in mismatches)

    def read(self, description: str) -> list[Node] | None:
        if description.strip() == "nothing":
            return []
        nodes = []
        for clause in description.lower().split(" and "):
            match = _THING.fullmatch(clause.strip())
            if match is None:
                return None
            nodes.append(Node(match["name"], match["color"], match["place"]))
        return nodes


def noun(node: Node) -> str:
    """A thing in words, without its place.

    >>> noun(Node("apple", "green"))
    'a green apple'
    """
    return with_article(f"{node.color} {node.name}" if node.color else node.name)


def _fault(mismatch: Mismatch) -> str:
    wanted = noun(mismatch.wanted) if mismatch.wanted else "nothing"
    return f"{_seen(mismatch)} at {_place(mismatch)} should be {wanted}"


def _remedy(mismatch: Mismatch) -> str:
    if mismatch.wanted is None:
        return f"erase {_place(mismatch)}"
    return f"change to {noun(mismatch.wanted)} at {_place(mismatch)}"


def _seen(mismatch: Mismatch) -> str:
    """What is seen, with its colour only if that matters or is not the natural one."""
    seen, wanted = mismatch.seen, mismatch.wanted
    if seen is None:
        return "nothing"
    if seen.name not in CLASSES:
        return noun(Node(seen.name))
    color_matters = wanted is not None and wanted.color is not None
    if not color_matters and seen.color == natural_color(seen.name):
        return noun(Node(seen.name))
    return noun(seen)


def _place(mismatch: Mismatch) -> str | None:
    node = mismatch.wanted or mismatch.seen
    return None if node is None else node.place
