"""The embedded world as a source of training data: prompts, layouts, and what its pictures show."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from evalharness.miniature.world import crowded
from evalharness.miniature.world.board import BACKGROUND, CLASSES, COLOR_NAMES, PLACES, SIDE, SIZE, cell_slices
from evalharness.miniature.world.knowledge_prompts import knowledge_prompt
from evalharness.miniature.world.placed_language import SMEAR, PlacedLanguage
from evalharness.miniature.world.scenes import holds, random_metadata
from evalharness.miniature.world.training_examples import TAG_SHARES, TAGS
from evalharness.training_data.graphs import Edge, Node, SceneGraph, of_metadata
from evalharness.training_data.language import Language
from evalharness.training_data.world import Task

_CELLS = {place: cell for cell, place in enumerate(PLACES)}
FAINT = 6.0
"""Mean difference from the background, in grey levels, up to which a cell counts as empty."""


class MiniatureWorld:
    """Prompts of GenEval's six kinds, prompts that need knowledge, and crowded prompts.

    Args:
        knowledge: Share of prompts that need knowledge.
        crowded: Share of crowded prompts.
    """

    name = "miniature"
    language: Language = PlacedLanguage()
    names = CLASSES
    colors = COLOR_NAMES
    places = PLACES

    def __init__(self, *, knowledge: float = 0.15, crowded: float = 0.4) -> None:
        self.shares = {"knowledge": knowledge, "crowded": crowded}

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, **self.shares}

    def task(self, index: int, rng: random.Random) -> Task:
        kind = rng.random()
        if kind < self.shares["knowledge"]:
            prompt, meaning = knowledge_prompt(rng)
            return self._task({"tag": "knowledge", "prompt": prompt, **meaning}, rng, knowledge=True)
        if kind < self.shares["knowledge"] + self.shares["crowded"]:
            return self._task(crowded.metadata(rng, rng.choices(crowded.TAGS, crowded.TAG_SHARES)[0]), rng)
        return self._task(random_metadata(rng, rng.choices(TAGS, TAG_SHARES)[0]), rng)

    def _task(self, metadata: Mapping[str, Any], rng: random.Random, *, knowledge: bool = False) -> Task:
        graph = self.layout(of_metadata(metadata), rng)
        return Task(metadata["prompt"], metadata["tag"], metadata, graph, knowledge)

    def layout(self, graph: SceneGraph, rng: random.Random) -> SceneGraph:
        """Draw random cells until the relations hold: for two pairs of things one layout in a dozen does."""
        while True:
            cells = rng.sample(PLACES, len(graph.nodes))
            nodes = [Node(node.name, node.color, cell) for node, cell in zip(graph.nodes, cells, strict=True)]
            placed = SceneGraph(tuple(nodes), graph.edges)
            if self.fits(placed):
                return placed

    def fits(self, graph: SceneGraph) -> bool:
        return _fits(graph, [None if node.place is None else _CELLS[node.place] for node in graph.nodes])

    def nodes_in(self, image: Image.Image, things: Sequence[tuple[Node, float, float]]) -> list[Node]:
        """Detected things, and a smear for each other cell that is not empty."""
        nodes = [Node(node.name, node.color, _place(x, y)) for node, x, y in things]
        occupied = {node.place for node in nodes}
        pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE)), np.float32)
        difference = np.abs(pixels - np.array(BACKGROUND, np.float32)).mean(axis=2)
        for cell, place in enumerate(PLACES):
            if place not in occupied and difference[cell_slices(cell)].mean() > FAINT:
                nodes.append(Node(SMEAR, None, place))
        return nodes


def _fits(graph: SceneGraph, cells: Sequence[int | None]) -> bool:
    """Whether the things without cells can be placed so that all relations hold."""
    occupied = {cell for cell in cells if cell is not None}
    unplaced = cells.count(None)
    if len(occupied) + unplaced < len(cells) or not all(_may_hold(edge, cells) for edge in graph.edges):
        return False
    related = {end for edge in graph.edges for end in (edge.subject, edge.object)}
    waiting = next((node for node in sorted(related) if cells[node] is None), None)
    if waiting is None:
        return len(cells) <= len(PLACES)
    free = set(range(len(PLACES))) - occupied
    return any(_fits(graph, [*cells[:waiting], cell, *cells[waiting + 1 :]]) for cell in free)


def _may_hold(edge: Edge, cells: Sequence[int | None]) -> bool:
    subject_cell, object_cell = cells[edge.subject], cells[edge.object]
    return subject_cell is None or object_cell is None or holds(edge.relation, subject_cell, object_cell)


def _place(x: float, y: float) -> str:
    """The place of a point (x, y) in 0..1."""
    row, column = (min(int(coordinate * SIDE), SIDE - 1) for coordinate in (y, x))
    return PLACES[row * SIDE + column]
