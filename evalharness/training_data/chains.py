"""Turns a scene graph into a chain of steps.

A step adds one or several things, up to the whole scene. With subsampling, a chain is a growing sequence of sub-graphs:
the instruction of a step says what the next sub-graph adds, and the running description is that of the next sub-graph.
Without it, every instruction and description is written from the complete graph, in an order of its own and without
regard to what is drawn so far.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.training_data.graphs import SceneGraph

WHOLE, TWO_GROUPS = 0.4, 0.35
"""Shares of chains that draw the whole scene at once, and in two steps; the others add things one by one."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step.

    Attributes:
        before: The state that it starts from.
        after: The state that it leads to; the last nodes are the new ones.
        described: The graph that the words are written from: ``after``, or the complete graph.
        indices: The indices of the new things in ``described``.
    """

    before: SceneGraph
    after: SceneGraph
    described: SceneGraph
    indices: tuple[int, ...]

    @property
    def added(self) -> tuple[int, ...]:
        """The indices of the new things in ``after``."""
        return tuple(range(len(self.before.nodes), len(self.after.nodes)))


def groups(order: Sequence[int], rng: random.Random) -> list[list[int]]:
    """Cut an order of things into the groups that the steps add."""
    share = rng.random()
    if share < WHOLE or len(order) == 1:
        return [list(order)]
    if share < WHOLE + TWO_GROUPS:
        cut = rng.randrange(1, len(order))
        return [list(order[:cut]), list(order[cut:])]
    return [[index] for index in order]


def in_order(graph: SceneGraph) -> list[int]:
    """All node indices in the order of the graph, which is that of the metadata.

    So the number of things that are drawn determines what comes next. A node comes after those that its relations refer
    to; a cycle of relations is cut.
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
    return {edge.object for edge in graph.edges if edge.subject == index} - {index}


def subsampled(graph: SceneGraph, groups: Sequence[Sequence[int]], step: int) -> Move:
    """Step ``step`` (from 0) of the chain of sub-graphs."""
    before = [index for group in groups[:step] for index in group]
    after = graph.subgraph([*before, *groups[step]])
    return Move(graph.subgraph(before), after, after, tuple(range(len(before), len(after.nodes))))


def unsubsampled(graph: SceneGraph, groups: Sequence[Sequence[int]], step: int) -> Move:
    """The same step with words that are written from the complete graph."""
    move = subsampled(graph, groups, step)
    return Move(move.before, move.after, graph, tuple(groups[step]))
