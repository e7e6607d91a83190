"""The embedded world as a source of training data: its prompts, its layouts, its eyes for what is no thing."""

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
"""Grey levels by which a cell may differ from the background on average and still count as empty."""


class MiniatureWorld:
    """GenEval's six kinds of prompt, riddles (``knowledge``: their share) and crowded prompts (``crowded``: theirs)."""

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
            prompt, meant = knowledge_prompt(rng)
            return self._task({"tag": "knowledge", "prompt": prompt, **meant}, rng, knowledge=True)
        if kind < self.shares["knowledge"] + self.shares["crowded"]:
            return self._task(crowded.metadata(rng, rng.choices(crowded.TAGS, crowded.TAG_SHARES)[0]), rng)
        return self._task(random_metadata(rng, rng.choices(TAGS, TAG_SHARES)[0]), rng)

    def _task(self, asked: Mapping[str, Any], rng: random.Random, *, knowledge: bool = False) -> Task:
        graph = self.layout(of_metadata(asked), rng)
        return Task(asked["prompt"], asked["tag"], asked, graph, knowledge)

    def layout(self, graph: SceneGraph, rng: random.Random) -> SceneGraph:
        """Cells at random until the relations hold: of two pairs of things one layout in a dozen does."""
        while True:
            cells = rng.sample(PLACES, len(graph.nodes))
            placed = SceneGraph(
                tuple(Node(node.name, node.color, cell) for node, cell in zip(graph.nodes, cells, strict=True)),
                graph.edges,
            )
            if self.fits(placed):
                return placed

    def fits(self, graph: SceneGraph) -> bool:
        return _fits(graph, [None if node.place is None else _CELLS[node.place] for node in graph.nodes])

    def seen(self, image: Image.Image, things: Sequence[tuple[Node, float, float]]) -> list[Node]:
        """A cell that shows something which is no thing holds a smear."""
        nodes = [Node(node.name, node.color, _place(x, y)) for node, x, y in things]
        taken = {node.place for node in nodes}
        pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE)), np.float32)
        off = np.abs(pixels - np.array(BACKGROUND, np.float32)).mean(axis=2)
        for cell, place in enumerate(PLACES):
            if place not in taken and off[cell_slices(cell)].mean() > FAINT:
                nodes.append(Node(SMEAR, None, place))
        return nodes


def _fits(graph: SceneGraph, cells: Sequence[int | None]) -> bool:
    taken = [cell for cell in cells if cell is not None]
    if len(set(taken)) < len(taken) or not all(_may_hold(edge, cells) for edge in graph.edges):
        return False
    related = {end for edge in graph.edges for end in (edge.subject, edge.object)}
    waiting = next((node for node in sorted(related) if cells[node] is None), None)
    if waiting is None:
        return len(cells) <= len(PLACES)
    free = set(range(len(PLACES))) - set(taken)
    return any(_fits(graph, [*cells[:waiting], cell, *cells[waiting + 1 :]]) for cell in free)


def _may_hold(edge: Edge, cells: Sequence[int | None]) -> bool:
    a, b = cells[edge.subject], cells[edge.object]
    return a is None or b is None or holds(edge.relation, a, b)


def _place(x: float, y: float) -> str:
    return PLACES[min(int(y * SIDE), SIDE - 1) * SIDE + min(int(x * SIDE), SIDE - 1)]
