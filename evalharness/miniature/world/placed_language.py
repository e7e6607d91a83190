"""The miniature's language: every thing with its place, ``a red apple at left``, joined by ``and``."""

from __future__ import annotations

import re

from evalharness.miniature.world.board import CLASSES, COLOR_NAMES, PLACES, natural_color
from evalharness.miniature.world.scenes import with_article
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Mismatch

SMEAR = "smear"
"""What a cell holds that shows something, but no thing."""
_THING = re.compile(
    rf"an? (?:(?P<color>{'|'.join(COLOR_NAMES)}) )?(?P<name>{'|'.join(sorted(CLASSES, key=len, reverse=True))})"
    rf" at (?P<place>{'|'.join(sorted(PLACES, key=len, reverse=True))})"
)


class PlacedLanguage:
    """See the module's docstring.

    >>> Placed().read("an orange bus at top and a cat at left")
    [Node(name='bus', color='orange', place='top'), Node(name='cat', color=None, place='left')]
    """

    def description(self, graph: SceneGraph) -> str:
        return " and ".join(f"{noun(node)} at {node.place}" for node in graph.nodes) or "nothing"

    def instruction(self, told: SceneGraph, node: int) -> str:
        thing = told.nodes[node]
        return f"add {noun(thing)} at {thing.place}"

    def conflict(self, mismatches: list[Mismatch]) -> str:
        return " and ".join(
            f"{_seen(one)} at {_place(one)} should be {noun(one.wanted) if one.wanted else 'nothing'}"
            for one in mismatches
        )

    def correction(self, mismatches: list[Mismatch]) -> str:
        return " and ".join(
            f"change to {noun(one.wanted)} at {_place(one)}" if one.wanted else f"erase {_place(one)}"
            for one in mismatches
        )

    def read(self, description: str) -> list[Node] | None:
        if description.strip() == "nothing":
            return []
        found = [_THING.fullmatch(part.strip()) for part in description.lower().split(" and ")]
        nodes = [Node(one["name"], one["color"], one["place"]) for one in found if one is not None]
        return nodes if len(nodes) == len(found) else None


def noun(node: Node) -> str:
    """
    >>> noun(Node("apple", "green"))
    'a green apple'
    """
    return with_article(f"{node.color} {node.name}" if node.color else node.name)


def _seen(one: Mismatch) -> str:
    """What is there; its colour only where it matters, or is not the natural one."""
    if one.found is None:
        return "nothing"
    told = one.wanted is not None and one.wanted.color is not None
    known = one.found.name in CLASSES
    plain = not known or (not told and one.found.color == natural_color(one.found.name))
    return noun(Node(one.found.name)) if plain else noun(one.found)


def _place(one: Mismatch) -> str | None:
    return one.wanted.place if one.wanted is not None else one.found.place if one.found is not None else None
