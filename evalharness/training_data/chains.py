"""Turns a scene graph into a chain of steps.

With subsampling, a chain is a growing sequence of sub-graphs: the instruction of a step says what the next sub-graph
adds, and the running description is that of the next sub-graph. Without it, every instruction and description is
written from the complete graph in an order and a layout of its own, unaware of where earlier instructions have put
things; such instructions may contradict each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from evalharness.training_data.graphs import Node, SceneGraph

Layout = Callable[[SceneGraph, random.Random], SceneGraph]
"""Gives things their places so that the relations hold; the identity in a world without places."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step.

    Attributes:
        before: The state that it starts from.
        after: The state that it leads to; the last node is the new one.
        described: The graph that the words are written from: ``after``, or the complete graph in a layout of its own.
        index: The index of the new thing in ``described``.
    """

    before: SceneGraph
    after: SceneGraph
    described: SceneGraph
    index: int


def in_order(graph: SceneGraph) -> list[int]:
    """All node indices in the order of the graph, which is that of the metadata.

    So the number of things that are drawn determines what comes next. A node comes after those that its relations refer
    to, unless things have places; a cycle of relations is cut.
    """
    return _ordered(graph, list(range(len(graph.nodes))))


def shuffled(graph: SceneGraph, rng: random.Random) -> list[int]:
    """All node indices in random order, with the constraint of :func:`in_order`."""
    indices = list(range(len(graph.nodes)))
    rng.shuffle(indices)
    return _ordered(graph, indices)


def _ordered(graph: SceneGraph, remaining: list[int]) -> list[int]:
    order: list[int] = []
    while remaining:
        ready = [index for index in remaining if not _reference_nodes(graph, index) & set(remaining)]
        index = ready[0] if ready else remaining[0]
        order.append(index)
        remaining.remove(index)
    return order


def _reference_nodes(graph: SceneGraph, index: int) -> set[int]:
    if graph.nodes[index].place is not None:
        return set()
    return {edge.object for edge in graph.edges if edge.subject == index} - {index}


def subsampled(graph: SceneGraph, order: list[int], step: int) -> Move:
    """Step ``step`` (from 0) of the chain of sub-graphs."""
    after = graph.subgraph(order[: step + 1])
    return Move(graph.subgraph(order[:step]), after, after, step)


def unsubsampled(graph: SceneGraph, state: SceneGraph, index: int, layout: Layout, rng: random.Random) -> Move:
    """A step whose words are about a node of the complete graph in a fresh layout.

    In the next state the thing stands where the words put it, instead of what stood there.
    """
    described = layout(graph, rng)
    return Move(state, _with_thing(state, described.nodes[index]), described, index)


def _with_thing(state: SceneGraph, thing: Node) -> SceneGraph:
    if thing.place is not None:
        state = state.subgraph([index for index, node in enumerate(state.nodes) if node.place != thing.place])
    return SceneGraph((*state.nodes, thing), state.edges)
