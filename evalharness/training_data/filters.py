"""Filters, which check whether a picture shows what it should.

A plugin is a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``, in the entry-point
group ``evalharness.filters``. ``scorer`` is a detector with a colour classifier and also reports what it saw; ``judge``
asks a judge plugin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from evalharness.api.plugin import Plugin
from evalharness.training_data.graphs import Edge, Node, SceneGraph, relation_holds
from evalharness.training_data.language import Mismatch
from evalharness.training_data.world import World

MAX_MISMATCHES = 3
"""A sketch with more mismatches is a failure; nothing is learned from it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A picture and what it should show."""

    image: Image.Image
    graph: SceneGraph
    prompt: str
    description: str
    world: World


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check.

    Attributes:
        right: Whether the picture is right.
        mismatches: What differs, if the filter can tell.
        reason: What is wrong, in the filter's own words.
    """

    right: bool
    mismatches: tuple[Mismatch, ...] = ()
    reason: str = ""


class Filter(Plugin, ABC):
    """Checks pictures."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a verdict, as JSON, without paths, keys or devices."""

    @abstractmethod
    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """Return one verdict per case, which depends on that case alone; ``None`` if there is no verdict."""


def compare(wanted: SceneGraph, seen: Sequence[Node]) -> tuple[Mismatch, ...]:
    """Find the differences, place by place if things have places, else by pairing similar things.

    >>> compare(SceneGraph((Node("dog", None, "left"),)), [Node("cat", "red", "left")])
    (Mismatch(seen=Node(name='cat', color='red', place='left'), wanted=Node(name='dog', color=None, place='left')),)
    """
    if any(node.place for node in (*wanted.nodes, *seen)):
        return _compare_places(wanted.nodes, seen)
    return _compare_things(wanted.nodes, seen)


def _compare_places(wanted: Sequence[Node], seen: Sequence[Node]) -> tuple[Mismatch, ...]:
    seen_at: dict[str | None, Node] = {}
    for node in seen:
        seen_at.setdefault(node.place, node)
    wanted_at = {node.place: node for node in wanted}
    places = dict.fromkeys((*wanted_at, *seen_at))
    pairs = [Mismatch(seen_at.get(place), wanted_at.get(place)) for place in places]
    return tuple(pair for pair in pairs if _differs(pair))


def _compare_things(wanted: Sequence[Node], seen: Sequence[Node]) -> tuple[Mismatch, ...]:
    """Pair the right things first, then those of one class, then whatever remains."""
    seen_rest, wanted_rest = list(seen), list(wanted)
    pairs: list[Mismatch] = []
    for similar in (Node.shows, _same_class):
        for wanted_node in list(wanted_rest):
            match = next((node for node in seen_rest if similar(node, wanted_node)), None)
            if match is not None:
                seen_rest.remove(match)
                wanted_rest.remove(wanted_node)
                pairs.append(Mismatch(match, wanted_node))
    pairs = [pair for pair in pairs if _differs(pair)]
    pairs += [Mismatch(*nodes) for nodes in zip(seen_rest, wanted_rest, strict=False)]
    paired = min(len(seen_rest), len(wanted_rest))
    pairs += [Mismatch(None, node) for node in wanted_rest[paired:]]
    pairs += [Mismatch(node, None) for node in seen_rest[paired:]]
    return tuple(pairs)


def _differs(pair: Mismatch) -> bool:
    return pair.seen is None or pair.wanted is None or not pair.seen.shows(pair.wanted)


def _same_class(node: Node, wanted: Node) -> bool:
    return node.name == wanted.name


def broken_relations(wanted: SceneGraph, things: Sequence[tuple[Node, float, float]]) -> tuple[Mismatch, ...]:
    """The things whose relations do not hold, in a picture in which everything else is right.

    Args:
        wanted: What the picture should show.
        things: Detected things with their centres (x, y).
    """
    remaining = list(things)
    centers: list[tuple[float, float]] = []
    for node in wanted.nodes:
        match = next(thing for thing in remaining if thing[0].shows(node))
        remaining.remove(match)
        centers.append(match[1:])
    broken = {edge.subject for edge in wanted.edges if not _edge_holds(edge, centers)}
    return tuple(Mismatch(wanted.nodes[index], wanted.nodes[index]) for index in sorted(broken))


def _edge_holds(edge: Edge, centers: Sequence[tuple[float, float]]) -> bool:
    subject_x, subject_y = centers[edge.subject]
    object_x, object_y = centers[edge.object]
    return relation_holds(edge.relation, subject_x - object_x, subject_y - object_y)
