"""Filters look at a state and say whether it is what it should be.

A plugin as a teacher is, in the group ``evalharness.filters``. ``scorer`` is a detector with a colour classifier, which
also says what it saw; ``judge`` asks a judge plugin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Mismatch
from evalharness.training_data.world import World, relation_holds

MANY = 3
"""A sketch with more mismatches is no critique, but a failure."""


@dataclass(frozen=True, slots=True)
class Case:
    """A picture, and what it should show."""

    image: Image.Image
    graph: SceneGraph
    prompt: str
    description: str
    world: World


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a picture is right, what differs if the filter can tell, and why not in its own words."""

    right: bool
    mismatches: tuple[Mismatch, ...] = ()
    reason: str = ""


class Filter(Protocol):
    """Looks at states."""

    name: str

    def identity(self) -> Mapping[str, Any]:
        """What decides a verdict; JSON, without paths, keys or devices."""
        ...

    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """One verdict a case, each from its own case alone; ``None`` where none could be had."""
        ...


def compare(wanted: SceneGraph, seen: Sequence[Node]) -> tuple[Mismatch, ...]:
    """What differs, place by place where things have places; else each thing with its like.

    >>> compare(SceneGraph((Node("dog", None, "left"),)), [Node("cat", "red", "left")])
    (Mismatch(found=Node(name='cat', color='red', place='left'), wanted=Node(name='dog', color=None, place='left')),)
    """
    if any(node.place for node in (*wanted.nodes, *seen)):
        return _by_place(wanted.nodes, seen)
    return _by_likeness(wanted.nodes, seen)


def _by_place(wanted: Sequence[Node], seen: Sequence[Node]) -> tuple[Mismatch, ...]:
    found: dict[str | None, Node] = {}
    for node in seen:
        found.setdefault(node.place, node)
    asked = {node.place: node for node in wanted}
    pairs = [(found.get(place), asked.get(place)) for place in dict.fromkeys((*asked, *found))]
    return tuple(Mismatch(one, want) for one, want in pairs if one is None or want is None or not one.shows(want))


def _by_likeness(wanted: Sequence[Node], seen: Sequence[Node]) -> tuple[Mismatch, ...]:
    """Pair what is right, then what is of the same kind, then what is left over."""
    found, asked, pairs = list(seen), list(wanted), []
    for alike in (Node.shows, _same_kind):
        for want in list(asked):
            match = next((one for one in found if alike(one, want)), None)
            if match is not None:
                found.remove(match)
                asked.remove(want)
                pairs.append(Mismatch(match, want))
    pairs = [pair for pair in pairs if pair.found is None or pair.wanted is None or not pair.found.shows(pair.wanted)]
    pairs += [Mismatch(one, want) for one, want in zip(found, asked, strict=False)]
    both = min(len(found), len(asked))
    pairs += [Mismatch(None, want) for want in asked[both:]]
    return tuple(pairs + [Mismatch(one, None) for one in found[both:]])


def _same_kind(one: Node, want: Node) -> bool:
    return one.name == want.name


def broken_relations(wanted: SceneGraph, things: Sequence[tuple[Node, float, float]]) -> tuple[Mismatch, ...]:
    """The things whose relations do not hold, for a picture in which all else is right."""
    left = list(things)
    middles = []
    for node in wanted.nodes:
        match = next(thing for thing in left if thing[0].shows(node))
        left.remove(match)
        middles.append(match[1:])
    off = {edge.subject for edge in wanted.edges if not relation_holds(edge, middles)}
    return tuple(Mismatch(wanted.nodes[number], wanted.nodes[number]) for number in sorted(off))
