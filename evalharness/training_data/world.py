"""Sources of prompts with their scene graphs, and what holds in their pictures."""

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
from evalharness._util.regular_files import read_regular_text
from evalharness.errors import ConfigError, WeightsError
from evalharness.training_data.conflicts import Conflict, Sighting, find_conflict
from evalharness.training_data.english import COLORS, English
from evalharness.training_data.graphs import DIRECTIONS, SceneGraph, of_metadata
from evalharness.training_data.language import Language


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt and what it asks for.

    Attributes:
        prompt: The prompt.
        category: Its category.
        metadata: Its line in GenEval's format.
        graph: The things that it asks for, in their places if the world has places.
        knowledge: Whether the prompt describes the things instead of naming them.
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
        """The classes of its things."""
        ...

    @property
    def colors(self) -> Sequence[str]: ...

    @property
    def places(self) -> Sequence[str]:
        """The places of the world, each for one thing; empty if things can be anywhere."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """What decides the tasks, as JSON."""
        ...

    def task(self, index: int, rng: random.Random) -> Task:
        """The task of a record, as a function of its index and of fresh random numbers."""
        ...

    def layout(self, graph: SceneGraph, rng: random.Random) -> SceneGraph | None:
        """The graph with places for its things in which its relations hold; ``None`` if there are none.

        Things with places keep them if that is possible.
        """
        ...

    def sightings(self, image: Image.Image, things: Sequence[Sighting]) -> list[Sighting]:
        """Find the things that a picture shows.

        Args:
            image: The picture.
            things: Detected things with their centres (x, y in 0..1).

        Returns:
            The detected things with their places, and a smudge for whatever else the picture shows.
        """
        ...

    def placed(self, graph: SceneGraph) -> list[Sighting] | None:
        """What an exact picture of a graph shows; ``None`` in a world without places."""
        ...

    def conflict(self, graph: SceneGraph, seen: Sequence[Sighting]) -> Conflict | None:
        """The conflict between a graph and a picture that is to be named first; ``None`` if there is none."""
        ...

    def mend(
        self, graph: SceneGraph, seen: Sequence[Sighting], conflict: Conflict, rng: random.Random
    ) -> SceneGraph | None:
        """The things in a picture after the edit that mends a conflict; ``None`` in a world without places."""
        ...


class PromptFile:
    """The prompts of a file in GenEval's format, one JSON object per line, repeated in the file's order.

    ``include`` says what a prompt asks for. A prompt that describes it instead of naming it has ``"knowledge": true``.
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

    def sightings(self, image: Image.Image, things: Sequence[Sighting]) -> list[Sighting]:
        return list(things)

    def placed(self, graph: SceneGraph) -> list[Sighting] | None:
        return None

    def conflict(self, graph: SceneGraph, seen: Sequence[Sighting]) -> Conflict | None:
        return find_conflict(graph, seen)

    def mend(
        self, graph: SceneGraph, seen: Sequence[Sighting], conflict: Conflict, rng: random.Random
    ) -> SceneGraph | None:
        return None

    @cached_property
    def _digest(self) -> str:
        try:
            return file_digest(self.path)
        except WeightsError as error:
            raise ConfigError(str(error)) from None

    @cached_property
    def _tasks(self) -> list[Task]:
        try:
            lines = read_regular_text(self.path, "utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the prompts {self.path}: {error}") from None
        tasks = [_parse(line, f"{self.path} line {number}") for number, line in enumerate(lines, 1) if line.strip()]
        if not tasks:
            raise ConfigError(f"{self.path} holds no prompts; it should have one JSON object a line")
        return tasks


def _parse(line: str, location: str) -> Task:
    try:
        metadata = json.loads(line)
        graph = of_metadata(metadata)
        if not graph.nodes or any(edge.relation not in DIRECTIONS for edge in graph.edges):
            raise ValueError("it asks for nothing, or for a relation that is not one of " + ", ".join(DIRECTIONS))
        knowledge = bool(metadata.get("knowledge", False))
        return Task(str(metadata["prompt"]), str(metadata.get("tag", "")), metadata, graph, knowledge)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{location} is not a prompt in GenEval's format: {reason}") from None
