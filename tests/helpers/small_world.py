"""A part of the embedded world, a filter that knows it by heart, and a model that makes mistakes on purpose."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from evalharness.api.model import Drawn, Written
from evalharness.miniature.world.board import BACKGROUND, COLOR_NAMES, PLACES, SIZE, Thing, canvas, cell_slices, render
from evalharness.miniature.world.placed_language import PlacedLanguage
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.testing import MockModel
from evalharness.training_data.builder import ARMS, DatasetBuilder
from evalharness.training_data.drafts import Components
from evalharness.training_data.filters import Case, Verdict, compare
from evalharness.training_data.graphs import Node
from evalharness.training_data.records import Record

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
        differences = [compare(case.graph, self.nodes_in(case)) for case in cases]
        return [Verdict(not differing, differing) for differing in differences]

    def nodes_in(self, case: Case) -> list[Node]:
        pixels = np.asarray(case.image)
        nodes = []
        for cell, place in enumerate(PLACES):
            content = pixels[cell_slices(cell)]
            if (content == BACKGROUND).all():
                continue
            likely = [Thing(name, color, cell) for name in case.world.names if name in LIKELY for color in COLOR_NAMES]
            shown = [thing for thing in likely if (canvas((thing,))[cell_slices(cell)] == content).all()]
            assert shown, "a picture with an unlikely thing"
            nodes.append(Node(shown[0].name, shown[0].color, place))
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
            for number, node in enumerate(renamed.nodes):
                # The same class for things that were of one class; a prompt's words do not matter here.
                name = LIKELY[sum(map(ord, node.name)) % len(LIKELY)]
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
            seen = Oracle().nodes_in(case)
            free = [place for place in PLACES if place not in {node.place for node in seen}]
            new = Node("apple", COLOR_NAMES[seed % 10], free[seed % len(free)])
            description = " and ".join(f"a {node.color} {node.name} at {node.place}" for node in (*seen, new))
            written.append(Written(f"<ins> add it </ins> <des> {description} </des>", 9))
        return written

    def draw(
        self, contexts: Sequence[list[Any]], *, unguided: Sequence[list[Any]], seeds: Sequence[int], kind: str = "draw"
    ) -> list[Drawn]:
        drawn = []
        for context, seed in zip(contexts, seeds, strict=True):
            described = re.search(r"<des> (.*) </des>", context[-1])
            assert described is not None
            nodes = PlacedLanguage().read(described[1].replace("a orange", "an orange").replace("a apple", "an apple"))
            assert nodes is not None
            if seed % 3 == 0:
                nodes[-1] = Node(nodes[-1].name, "pink" if nodes[-1].color != "pink" else "blue", nodes[-1].place)
            things = tuple(Thing(node.name, node.color, PLACES.index(node.place or "")) for node in nodes)
            drawn.append(Drawn(render(things), 5))
        return drawn


def maker(arm: str, seed: int = 0) -> DatasetBuilder:
    """A builder of the data of an arm."""
    return DatasetBuilder(Components(SmallWorld(), Renderer(), Oracle(), Scribbler(), trusted=True), ARMS[arm], seed)


def records(arm: str, seed: int = 0, n: int = 3) -> list[Record]:
    """The records of the first ``n`` prompts."""
    return [record for batch in maker(arm, seed).batches(range(n)) for record in batch]
