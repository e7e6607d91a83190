"""Boards for scene graphs: right ones, in which all relations hold, and broken ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalharness.miniature.world.board import CELLS, PLACES, Scene, Thing
from evalharness.miniature.world.scenes import holds
from evalharness.training_data.conflicts import SMUDGE
from evalharness.training_data.graphs import Edge, Node, SceneGraph, of_metadata

_CELLS = {place: cell for cell, place in enumerate(PLACES)}


def lay_out(graph: SceneGraph, rng: random.Random) -> SceneGraph | None:
    """The graph with random places in which its relations hold; ``None`` if there are none.

    Things keep the places that they have if the relations can hold there; otherwise all things with relations move.
    """
    given = [None if node.place is None else _CELLS[node.place] for node in graph.nodes]
    cells = _complete(graph, given, rng)
    if cells is None:
        related = {end for edge in graph.edges for end in (edge.subject, edge.object)}
        cells = _complete(graph, [None if index in related else cell for index, cell in enumerate(given)], rng)
    if cells is None and any(cell is not None for cell in given):
        cells = _complete(graph, [None] * len(given), rng)
    if cells is None:
        return None
    for index, cell in enumerate(cells):
        graph = graph.moved(index, PLACES[cell])
    return graph


def laid_out(metadata: Mapping[str, Any], rng: random.Random) -> SceneGraph:
    """The graph of a generated prompt, with places.

    Raises:
        ValueError: no board shows the prompt.
    """
    graph = lay_out(of_metadata(metadata), rng)
    if graph is None:
        raise ValueError(f"no board shows {metadata['prompt']!r}")
    return graph


def _complete(graph: SceneGraph, cells: Sequence[int | None], rng: random.Random) -> list[int] | None:
    """Give cells to the things without, those with relations first, by backtracking in random order."""
    taken = [cell for cell in cells if cell is not None]
    if len(set(taken)) < len(taken) or len(cells) > CELLS or not all(_may_hold(edge, cells) for edge in graph.edges):
        return None
    waiting = [index for index, cell in enumerate(cells) if cell is None]
    if not waiting:
        return [cell for cell in cells if cell is not None]
    related = {end for edge in graph.edges for end in (edge.subject, edge.object)}
    index = next((index for index in waiting if index in related), waiting[0])
    free = [cell for cell in range(CELLS) if cell not in taken]
    rng.shuffle(free)
    for cell in free:
        complete = _complete(graph, [*cells[:index], cell, *cells[index + 1 :]], rng)
        if complete is not None:
            return complete
    return None


def _may_hold(edge: Edge, cells: Sequence[int | None]) -> bool:
    subject, object_ = cells[edge.subject], cells[edge.object]
    return subject is None or object_ is None or holds(edge.relation, subject, object_)


def scene_of(graph: SceneGraph) -> Scene:
    """The things of a graph with places, without its smudges."""
    return tuple(Thing(node.name, node.color, _CELLS[str(node.place)]) for node in graph.nodes if node.name != SMUDGE)


def smudged_cells(nodes: Iterable[Node]) -> list[int]:
    """The cells of the smudges among things with places."""
    return [_CELLS[str(node.place)] for node in nodes if node.name == SMUDGE]
