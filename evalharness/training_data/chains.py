"""From a scene graph to a chain of steps.

With subsampling a chain is a growing row of sub-graphs: a step's instruction says what the next sub-graph has and the
present one lacks, the running description is that of the next one. Without it every instruction and description is
written from the whole graph, in an order and a layout of its own, blind to what the earlier ones have put where; such
instructions may contradict each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from evalharness.training_data.graphs import Edge, Node, SceneGraph

Layout = Callable[[SceneGraph, random.Random], SceneGraph]
"""Gives things their places, so that the relations hold; the same graph in a world without places."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step: from ``before`` to ``after``, whose last node is the new one.

    ``told`` is the graph that the words are written from: ``after`` itself, or the whole graph in a layout of its own;
    ``node`` is the new thing's number in it.
    """

    before: SceneGraph
    after: SceneGraph
    told: SceneGraph
    node: int


def in_order(graph: SceneGraph) -> list[int]:
    """All nodes in the order of the graph, which is that of the metadata: the number of things that are there tells
    what comes next.

    None comes before those that its relations refer to, unless things are told by their places; a ring of relations is
    cut.
    """
    return _chain(graph, list(range(len(graph.nodes))))


def shuffled(graph: SceneGraph, rng: random.Random) -> list[int]:
    """The same in random order."""
    nodes = list(range(len(graph.nodes)))
    rng.shuffle(nodes)
    return _chain(graph, nodes)


def _chain(graph: SceneGraph, waiting: list[int]) -> list[int]:
    placed: list[int] = []
    while waiting:
        free = [node for node in waiting if not _anchors(graph, node) & set(waiting)] or waiting
        placed.append(free[0])
        waiting.remove(free[0])
    return placed


def _anchors(graph: SceneGraph, node: int) -> set[int]:
    if graph.nodes[node].place is not None:
        return set()
    return {edge.object for edge in graph.edges if edge.subject == node} - {node}


def subsampled(graph: SceneGraph, nodes: list[int], step: int) -> Move:
    """Step ``step`` (from 0) of the chain of sub-graphs in the order of ``nodes``."""
    after = graph.part(nodes[: step + 1])
    return Move(graph.part(nodes[:step]), after, after, step)


def unsubsampled(graph: SceneGraph, state: SceneGraph, node: int, layout: Layout, rng: random.Random) -> Move:
    """A step whose words are about a node of the whole graph, in a fresh layout.

    The state then has the thing where the words put it, in the place of what stood there.
    """
    told = layout(graph, rng)
    return Move(state, _put(state, told.nodes[node]), told, node)


def _put(state: SceneGraph, thing: Node) -> SceneGraph:
    if thing.place is None:
        return SceneGraph((*state.nodes, thing), state.edges)
    kept = [number for number, other in enumerate(state.nodes) if other.place != thing.place]
    left = state.part(kept)
    edges: tuple[Edge, ...] = left.edges
    return SceneGraph((*left.nodes, thing), edges)
