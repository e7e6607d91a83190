"""Faults that a teacher puts into states and plans: what a model's drawings and plans get wrong, too."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from evalharness.training_data.conflicts import INVERSE, SMUDGE
from evalharness.training_data.graphs import Edge, Node, SceneGraph
from evalharness.training_data.world import World

ATTEMPTS = 12
SECOND_FAULT = 0.3
"""Share of spoiled states with a second fault."""

Fault = Callable[[SceneGraph, int, World, random.Random], SceneGraph | None]
"""Spoils a state at a thing of this index; ``None`` where it cannot."""


def spoil(graph: SceneGraph, added: Sequence[int], world: World, rng: random.Random) -> SceneGraph | None:
    """Put one or two faults into a state, at the things that a step adds.

    Returns:
        The spoiled state; ``None`` if nothing that was tried is a conflict.
    """
    for _ in range(ATTEMPTS):
        spoiled = _spoil_once(graph, rng.choice(added), world, rng)
        if spoiled is not None and rng.random() < SECOND_FAULT and spoiled.nodes:
            spoiled = _spoil_once(spoiled, rng.randrange(len(spoiled.nodes)), world, rng)
        if spoiled is None:
            continue
        seen = world.placed(spoiled)
        if seen is None or world.conflict(graph, seen) is not None:
            return spoiled
    return None


def _spoil_once(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    related = any(index in (edge.subject, edge.object) for edge in graph.edges)
    faults: list[Fault] = [_omit, _duplicate, _vary, _recolor, _smudge]
    fault = _reverse if related and rng.random() < 0.5 else rng.choice(faults)
    return fault(graph, index, world, rng)


def mistake(graph: SceneGraph, added: Sequence[int], world: World, rng: random.Random) -> SceneGraph | None:
    """A wrong plan for the things that a step adds: another thing or colour, one too few or many, a relation reversed.

    Returns:
        The graph of the plan, with places in which its relations hold; ``None`` if there is none.
    """
    for _ in range(ATTEMPTS):
        index = rng.choice(added)
        if any(index == edge.subject for edge in graph.edges) and rng.random() < 0.5:
            wrong: SceneGraph | None = _reversed_edges(_unplaced(graph, added), index)
        else:
            planned = _unplaced(graph, added)
            faults: list[Fault] = [_vary, _vary, _add_copy]
            if len(added) > 1:
                faults.append(_omit)
            wrong = rng.choice(faults)(planned, index, world, rng)
        laid_out = None if wrong is None or not wrong.nodes else world.layout(wrong, rng)
        if laid_out is None:
            continue
        seen = world.placed(laid_out)
        if seen is None or world.conflict(graph, seen) is not None:
            return laid_out
    return None


def _unplaced(graph: SceneGraph, indices: Sequence[int]) -> SceneGraph:
    for index in indices:
        graph = graph.moved(index, None)
    return graph


def _omit(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    return graph.subgraph([number for number in range(len(graph.nodes)) if number != index])


def _free_place(graph: SceneGraph, world: World, rng: random.Random) -> str | None:
    taken = {node.place for node in graph.nodes}
    free = [place for place in world.places if place not in taken]
    return rng.choice(free) if free else None


def _duplicate(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    place = _free_place(graph, world, rng)
    if world.places and place is None:
        return None
    return SceneGraph((*graph.nodes, replace(graph.nodes[index], place=place)), graph.edges)


def _add_copy(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    """One more like this thing, without relations: the words count it with the others."""
    return SceneGraph((*graph.nodes, replace(graph.nodes[index], place=None)), graph.edges)


def _vary(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    return graph.changed(index, vary(graph.nodes[index], world, rng))


def vary(thing: Node, world: World, rng: random.Random) -> Node:
    """A thing of another colour or class for the same place."""
    colors = [color for color in world.colors if color != thing.color]
    names = [name for name in world.names if name != thing.name]
    if (thing.color is not None and rng.random() < 0.5) or not names:
        return replace(thing, color=rng.choice(colors))
    return replace(thing, name=rng.choice(names))


def _recolor(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    """Two colours change their things, or a colour becomes another one."""
    thing = graph.nodes[index]
    if thing.color is None:
        return None
    others = [number for number, node in enumerate(graph.nodes) if node.color not in (None, thing.color)]
    if others and rng.random() < 0.5:
        other = rng.choice(others)
        swapped = graph.changed(index, replace(thing, color=graph.nodes[other].color))
        return swapped.changed(other, replace(graph.nodes[other], color=thing.color))
    return graph.changed(
        index, replace(thing, color=rng.choice([color for color in world.colors if color != thing.color]))
    )


def _smudge(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    """A smudge in place of the thing, or beside it; only in worlds with places, since no words ask for it."""
    place = _free_place(graph, world, rng)
    if not world.places:
        return None
    if place is not None and rng.random() < 0.4:
        return SceneGraph((*graph.nodes, Node(SMUDGE, None, place)), graph.edges)
    edges = tuple(edge for edge in graph.edges if index not in (edge.subject, edge.object))
    return SceneGraph(graph.changed(index, Node(SMUDGE, None, graph.nodes[index].place)).nodes, edges)


def _reverse(graph: SceneGraph, index: int, world: World, rng: random.Random) -> SceneGraph | None:
    """The thing and one that it has a relation to change places; without places, their relation is reversed."""
    edges = [edge for edge in graph.edges if index in (edge.subject, edge.object)]
    if not edges:
        return None
    edge = rng.choice(edges)
    if not world.places:
        return _reversed_edges(graph, edge.subject)
    first, second = graph.nodes[edge.subject], graph.nodes[edge.object]
    return graph.moved(edge.subject, second.place).moved(edge.object, first.place)


def _reversed_edges(graph: SceneGraph, subject: int) -> SceneGraph:
    edges = tuple(
        Edge(edge.subject, INVERSE[edge.relation], edge.object) if edge.subject == subject else edge
        for edge in graph.edges
    )
    return SceneGraph(graph.nodes, edges)
