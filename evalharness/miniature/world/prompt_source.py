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
from evalharness.miniature.world.layouts import laid_out, lay_out
from evalharness.miniature.world.mending import find, mend, sighted
from evalharness.miniature.world.scenes import TAG_SHARES, TAGS, random_metadata
from evalharness.training_data.conflicts import SMUDGE, Conflict, Sighting
from evalharness.training_data.english import English
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.language import Language
from evalharness.training_data.world import Task

FAINT = 6.0
"""Mean difference from the background, in grey levels, up to which a cell counts as empty."""


class MiniatureWorld:
    """Prompts of GenEval's six kinds, prompts that need knowledge, and crowded prompts.

    Args:
        knowledge: Share of prompts that need knowledge.
        crowded: Share of crowded prompts.
    """

    name = "miniature"
    language: Language = English()
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
        return Task(metadata["prompt"], metadata["tag"], metadata, laid_out(metadata, rng), knowledge)

    def layout(self, graph: SceneGraph, rng: random.Random) -> SceneGraph | None:
        return lay_out(graph, rng)

    def sightings(self, image: Image.Image, things: Sequence[Sighting]) -> list[Sighting]:
        """Detected things, one for each cell, and a smudge for each other cell that is not empty."""
        seen: dict[str, Sighting] = {}
        for thing in things:
            place = _place(thing.x, thing.y)
            seen.setdefault(place, sighted(Node(thing.node.name, thing.node.color, place)))
        pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE)), np.float32)
        difference = np.abs(pixels - np.array(BACKGROUND, np.float32)).mean(axis=2)
        for cell, place in enumerate(PLACES):
            if place not in seen and difference[cell_slices(cell)].mean() > FAINT:
                seen[place] = sighted(Node(SMUDGE, None, place))
        return list(seen.values())

    def placed(self, graph: SceneGraph) -> list[Sighting] | None:
        return [sighted(node) for node in graph.nodes]

    def conflict(self, graph: SceneGraph, seen: Sequence[Sighting]) -> Conflict | None:
        return find(graph, seen)

    def mend(
        self, graph: SceneGraph, seen: Sequence[Sighting], conflict: Conflict, rng: random.Random
    ) -> SceneGraph | None:
        """The board after one edit, or a right board where no single edit helps."""
        board = mend(graph, seen, conflict, rng)
        return lay_out(graph, rng) if board is None else SceneGraph(board)


def _place(x: float, y: float) -> str:
    """The place of a point (x, y) in 0..1."""
    row, column = (min(int(coordinate * SIDE), SIDE - 1) for coordinate in (y, x))
    return PLACES[row * SIDE + column]
