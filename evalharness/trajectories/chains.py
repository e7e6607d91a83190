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

from evalharness.trajectories.graphs import Edge, Node, SceneGraph

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


def order(graph: SceneGraph, rng: random.Random) -> list[int]:
    """All nodes in random order, but none before those that its relations refer to; a ring of relations is cut."""
    waiting = list(range(len(graph.nodes)))
    rng.shuffle(waiting)
    placed: list[int] = []
    while waiting:
        free = [node for node in waiting if not _anchors(graph, node) & set(waiting)] or waiting
        placed.append(free[0])
        waiting.remove(free[0])
    return placed


def _anchors(graph: SceneGraph, node: int) -> set[int]:
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
