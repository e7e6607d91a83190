"""How scenes, instructions and corrections are worded: one language for each world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evalharness.training_data.graphs import Node, SceneGraph


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What is seen and what should be there instead; ``None``: nothing. Not both are ``None``."""

    found: Node | None
    wanted: Node | None


class Language(Protocol):
    """Words about graphs. A text has neither markers nor line breaks."""

    def description(self, graph: SceneGraph) -> str:
        """A whole scene."""
        ...

    def instruction(self, told: SceneGraph, node: int) -> str:
        """Add one thing of a scene; the nodes before it are there already."""
        ...

    def conflict(self, mismatches: list[Mismatch]) -> str:
        """What is wrong with a picture."""
        ...

    def correction(self, mismatches: list[Mismatch]) -> str:
        """How to mend it."""
        ...

    def read(self, description: str) -> list[Node] | None:
        """The things that a description names, ``None`` if it is not in this language."""
        ...
