"""Where the prompts come from, and what is true of the pictures that they ask for."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from evalharness._util.file_digests import file_digest
from evalharness.errors import ConfigError, WeightsError
from evalharness.training_data.english import COLORS, English
from evalharness.training_data.graphs import Edge, Node, SceneGraph, of_metadata
from evalharness.training_data.language import Language

SIDES = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
"""Relation → its direction, right and down."""


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt and the graph of what it asks for, things in their places if the world has any.

    ``knowledge``: the prompt does not say it in words that name it.
    """

    prompt: str
    category: str
    metadata: Mapping[str, Any]
    graph: SceneGraph
    knowledge: bool = False


class World(Protocol):
    """A source of prompts with their scene graphs."""

    @property
    def name(self) -> str: ...

    @property
    def language(self) -> Language: ...

    @property
    def names(self) -> Sequence[str]:
        """What things there are."""
        ...

    @property
    def colors(self) -> Sequence[str]: ...

    @property
    def places(self) -> Sequence[str]:
        """What places there are, each for one thing; empty if things stand anywhere."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """What decides the tasks; JSON."""
        ...

    def task(self, index: int, rng: random.Random) -> Task:
        """The task of one record: a function of its number and of fresh random numbers."""
        ...

    def layout(self, graph: SceneGraph, rng: random.Random) -> SceneGraph:
        """The graph with places for its things in which its relations hold."""
        ...

    def fits(self, graph: SceneGraph) -> bool:
        """Whether the relations hold in the places that the things have, and still can for those that have none yet."""
        ...

    def seen(self, image: Image.Image, things: Sequence[tuple[Node, float, float]]) -> list[Node]:
        """Detected things with their middles (x, y in 0..1) as nodes with places, and what else the picture shows."""
        ...


class PromptFile:
    """Prompts of a file in GenEval's format, one JSON object a line, in the file's order, over and over.

    ``include`` says what the prompt asks for. A prompt for knowledge has ``"knowledge": true`` and names it otherwise.
    """

    language: Language = English()
    colors = COLORS
    places = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "prompts": self._digest}

    @cached_property
    def names(self) -> Sequence[str]:
        return tuple(dict.fromkeys(node.name for task in self._tasks for node in task.graph.nodes))

    def task(self, index: int, rng: random.Random) -> Task:
        return self._tasks[index % len(self._tasks)]

    def layout(self, graph: SceneGraph, rng: random.Random) -> SceneGraph:
        return graph

    def fits(self, graph: SceneGraph) -> bool:
        return True

    def seen(self, image: Image.Image, things: Sequence[tuple[Node, float, float]]) -> list[Node]:
        return [node for node, _, _ in things]

    @cached_property
    def _digest(self) -> str:
        try:
            return file_digest(self.path)
        except WeightsError as error:
            raise ConfigError(str(error)) from None

    @cached_property
    def _tasks(self) -> list[Task]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the prompts {self.path}: {error}") from None
        tasks = [_task(line, f"{self.path} line {n}") for n, line in enumerate(lines, 1) if line.strip()]
        if not tasks:
            raise ConfigError(f"{self.path} holds no prompts; it should have one JSON object a line")
        return tasks


def _task(line: str, where: str) -> Task:
    try:
        raw = json.loads(line)
        graph = of_metadata(raw)
        if not graph.nodes or any(edge.relation not in SIDES for edge in graph.edges):
            raise ValueError("it asks for nothing, or for a relation that is not one of " + ", ".join(SIDES))
        return Task(str(raw["prompt"]), str(raw.get("tag", "")), raw, graph, bool(raw.get("knowledge", False)))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        said = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{where} is not a prompt in GenEval's format: {said}") from None


def relation_holds(edge: Edge, middles: Sequence[tuple[float, float]]) -> bool:
    """Whether a relation holds between two middles (x, y), plainly: at most 45 degrees off."""
    (ax, ay), (bx, by) = middles[edge.subject], middles[edge.object]
    sx, sy = SIDES[edge.relation]
    dx, dy = ax - bx, ay - by
    along, across = dx * sx + dy * sy, abs(dx * sy) + abs(dy * sx)
    return along > 0 and across <= along
