"""A part of the embedded world, a filter that knows it by heart, and a model that makes mistakes on purpose."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from evalharness.api.model import Drawn, Written
from evalharness.miniature.world.board import BACKGROUND, COLOR_NAMES, PLACES, SIZE, Thing, canvas, cell_slices, render
from evalharness.miniature.world.layouts import lay_out, scene_of
from evalharness.miniature.world.mending import sighted
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.testing import MockModel
from evalharness.training_data.builder import ARMS, DatasetBuilder
from evalharness.training_data.conflicts import SMUDGE
from evalharness.training_data.drafts import Components
from evalharness.training_data.english import English
from evalharness.training_data.filters import Case, Verdict
from evalharness.training_data.graphs import Node, SceneGraph
from evalharness.training_data.records import Record

ENGLISH = English()
LIKELY = ("dog", "cat", "cup", "bus", "apple", "bench")
"""The only things that tests draw: all 80 in all colours take long."""


class Oracle:
    """Knows what it shows of every picture that was rendered: by its cells, pixel by pixel."""

    name = "oracle"

    def __init__(self) -> None:
        self.checked = 0

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        self.checked += len(cases)
        return [self._verdict(case) for case in cases]

    def _verdict(self, case: Case) -> Verdict:
        seen = tuple(sighted(node) for node in self.nodes_in(case))
        conflict = case.world.conflict(case.graph, seen)
        return Verdict(conflict is None, conflict, seen=seen)

    def nodes_in(self, case: Case) -> list[Node]:
        pixels = np.asarray(case.image)
        nodes = []
        for cell, place in enumerate(PLACES):
            content = pixels[cell_slices(cell)]
            if (content == BACKGROUND).all():
                continue
            likely = [Thing(name, color, cell) for name in case.world.names if name in LIKELY for color in COLOR_NAMES]
            shown = [thing for thing in likely if (canvas((thing,))[cell_slices(cell)] == content).all()]
            name, color = (shown[0].name, shown[0].color) if shown else (SMUDGE, None)
            nodes.append(Node(name, color, place))
        return nodes


class SmallWorld(MiniatureWorld):
    """The miniature's world with six things."""

    names = LIKELY

    def task(self, index: int, rng: random.Random) -> Any:
        while True:
            task = super().task(index, rng)
            if all(node.name in LIKELY for node in task.graph.nodes):
                return task
            renamed = task.graph
            names = list(dict.fromkeys(node.name for node in renamed.nodes))
            shift = rng.randrange(len(LIKELY))
            for number, node in enumerate(renamed.nodes):
                # Different classes remain different; a prompt's words do not matter here.
                name = LIKELY[(names.index(node.name) + shift) % len(LIKELY)]
                renamed = renamed.changed(number, Node(name, node.color, node.place))
            return type(task)(task.prompt, task.category, task.metadata, renamed, task.knowledge)


class Scribbler(MockModel):
    """An interleaver that follows the plan which it reads, but errs in every third drawing and every third plan."""

    name = "scribbler"
    continues = False

    def blank(self) -> Image.Image:
        return Image.new("RGB", (SIZE, SIZE), BACKGROUND)

    def look(self, contexts: Sequence[list[Any]], images: Sequence[Image.Image]) -> None:
        for context, image in zip(contexts, images, strict=True):
            context.append(image)

    def write(self, contexts: Sequence[list[Any]], *, seeds: Sequence[int], **_: Any) -> list[Written]:
        """Adds a thing to what it sees: always an apple in some colour."""
        written = []
        for context, seed in zip(contexts, seeds, strict=True):
            case = Case(context[-1], None, "", "", SmallWorld())  # type: ignore[arg-type]
            seen = [Node(node.name, node.color) for node in Oracle().nodes_in(case)]
            description = ENGLISH.description(SceneGraph((*seen, Node("apple", COLOR_NAMES[seed % 10]))))
            written.append(Written(f"<ins> add it </ins> <des> {description} </des>", 9))
        return written

    def draw(
        self, contexts: Sequence[list[Any]], *, unguided: Sequence[list[Any]], seeds: Sequence[int], kind: str = "draw"
    ) -> list[Drawn]:
        drawn = []
        for context, seed in zip(contexts, seeds, strict=True):
            described = re.search(r"<des> (.*) </des>", context[-1])
            assert described is not None
            graph = ENGLISH.read(described[1])
            assert graph is not None
            placed = lay_out(graph, random.Random(seed))
            assert placed is not None
            things = list(scene_of(placed))
            if seed % 3 == 0:
                things[-1] = replace(things[-1], color="pink" if things[-1].color != "pink" else "blue", name="bus")
            drawn.append(Drawn(render(tuple(things)), 5))
        return drawn


def maker(arm: str, seed: int = 0) -> DatasetBuilder:
    """A builder of the data of an arm."""
    return DatasetBuilder(Components(SmallWorld(), Renderer(), Oracle(), Scribbler(), trusted=True), ARMS[arm], seed)


def records(arm: str, seed: int = 0, n: int = 3) -> list[Record]:
    """The records of the first ``n`` prompts."""
    return [record for batch in maker(arm, seed).batches(range(n)) for record in batch]
