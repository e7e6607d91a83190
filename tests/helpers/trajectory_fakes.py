"""A filter that knows the embedded world by heart, and a model that makes mistakes on purpose."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from evalharness.api.model import Drawn, Interleaver, Written
from evalharness.miniature.world.board import BACKGROUND, COLOR_NAMES, PLACES, SIZE, canvas, cell_slices, render
from evalharness.miniature.world.board import Thing as WorldThing
from evalharness.miniature.world.placed_language import PlacedLanguage
from evalharness.miniature.world.prompt_source import MiniatureWorld
from evalharness.miniature.world.renderer import Renderer
from evalharness.training_data.builder import ARMS, DatasetBuilder
from evalharness.training_data.drafts import Components
from evalharness.training_data.filters import Case, Verdict, compare
from evalharness.training_data.graphs import Node
from evalharness.training_data.records import Record


class Oracle:
    """Knows what it shows of every picture that was rendered: by its cells, pixel by pixel."""

    name = "oracle"

    def __init__(self) -> None:
        self.asked = 0

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        self.asked += len(cases)
        found = [compare(case.graph, self.nodes_in(case)) for case in cases]
        return [Verdict(not differing, differing) for differing in found]

    def nodes_in(self, case: Case) -> list[Node]:
        pixels = np.asarray(case.image)
        nodes = []
        for cell, place in enumerate(PLACES):
            own = pixels[cell_slices(cell)]
            if (own == BACKGROUND).all():
                continue
            there = [(name, color) for name in case.world.names for color in (COLOR_NAMES if name in LIKELY else ())]
            match = next(
                (
                    (name, color)
                    for name, color in there
                    if (canvas((WorldThing(name, color, cell),))[cell_slices(cell)] == own).all()
                ),
                None,
            )
            assert match is not None, "a picture with an unlikely thing"
            nodes.append(Node(*match, place))
        return nodes


LIKELY = ("dog", "cat", "cup", "bus", "apple", "bench")
"""The only things that tests draw: all 80 in all colours take long."""


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


class Scribbler(Interleaver):
    """An interleaver that follows the plan which it reads, but errs in every third drawing and every third plan."""

    name = "scribbler"
    batch_size = 8
    formats: ClassVar[tuple[str, ...]] = ("strokes",)
    guided = False
    continues = False
    words: ClassVar[Mapping[str, str]] = {}

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def check(self, prompt: str) -> None:
        pass

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        raise NotImplementedError

    def start(self, count: int) -> list[list[Any]]:
        return [[] for _ in range(count)]

    def blank(self) -> Image.Image:
        return Image.new("RGB", (SIZE, SIZE), BACKGROUND)

    def read(self, contexts: Sequence[list[Any]], texts: Sequence[str]) -> None:
        for context, text in zip(contexts, texts, strict=True):
            context.append(text)

    def look(self, contexts: Sequence[list[Any]], images: Sequence[Image.Image]) -> None:
        for context, image in zip(contexts, images, strict=True):
            context.append(image)

    def write(self, contexts: Sequence[list[Any]], *, seeds: Sequence[int], **_: Any) -> list[Written]:
        """Adds a thing to what it sees: always an apple in some colour."""
        out = []
        for context, seed in zip(contexts, seeds, strict=True):
            case = Case(context[-1], None, "", "", SmallWorld())  # type: ignore[arg-type]
            seen = [Node(n.name, n.color, n.place) for n in Oracle().nodes_in(case)]
            free = [place for place in PLACES if place not in {n.place for n in seen}]
            new = Node("apple", COLOR_NAMES[seed % 10], free[seed % len(free)])
            told = " and ".join(f"a {n.color} {n.name} at {n.place}" for n in (*seen, new))
            out.append(Written(f"<ins> add it </ins> <des> {told} </des>", 9))
        return out

    def draw(
        self, contexts: Sequence[list[Any]], *, unguided: Sequence[list[Any]], seeds: Sequence[int]
    ) -> list[Drawn]:
        drawn = []
        for context, seed in zip(contexts, seeds, strict=True):
            described = re.search(r"<des> (.*) </des>", context[-1])
            assert described is not None
            nodes = PlacedLanguage().read(described[1].replace("a orange", "an orange").replace("a apple", "an apple"))
            assert nodes is not None
            if seed % 3 == 0:
                nodes[-1] = Node(nodes[-1].name, "pink" if nodes[-1].color != "pink" else "blue", nodes[-1].place)
            things = tuple(WorldThing(n.name, n.color, PLACES.index(n.place or "")) for n in nodes)
            drawn.append(Drawn(render(things), 5))
        return drawn


def maker(arm: str, seed: int = 0) -> DatasetBuilder:
    return DatasetBuilder(Components(SmallWorld(), Renderer(), Oracle(), Scribbler(), trusted=True), ARMS[arm], seed)


def records(arm: str, seed: int = 0, n: int = 3) -> list[Record]:
    return [record for batch in maker(arm, seed).batches(range(n)) for record in batch]
