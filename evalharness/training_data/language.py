"""How a world words its scenes, instructions and corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evalharness.training_data.graphs import Node, SceneGraph


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A thing that is seen and the thing that should be there instead; ``None`` stands for nothing, but not twice."""

    seen: Node | None
    wanted: Node | None


class Language(Protocol):
    """Turns graphs into texts. A text has neither markers nor line breaks."""

    def description(self, graph: SceneGraph) -> str:
        """Describe the complete scene."""
        ...

    def instruction(self, graph: SceneGraph, index: int) -> str:
        """Ask for one thing of a scene; the nodes before it are in the picture already."""
        ...

    def conflict(self, mismatches: list[Mismatch]) -> str:
        """Say what is wrong with a picture."""
        ...

    def correction(self, mismatches: list[Mismatch]) -> str:
        """Say how to correct a picture."""
        ...

    def read(self, description: str) -> list[Node] | None:
        """The things that a description names; ``None`` if it is not in this language."""
        ...
