"""How a world words its scenes, instructions and corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evalharness.training_data.conflicts import Conflict
from evalharness.training_data.graphs import Node, SceneGraph


class Language(Protocol):
    """Turns graphs into texts. A text has neither markers nor line breaks."""

    def description(self, graph: SceneGraph) -> str:
        """Describe the complete scene."""
        ...

    def instruction(self, graph: SceneGraph, indices: Sequence[int]) -> str:
        """Ask for some things of a scene; all nodes before the first of them are in the picture already."""
        ...

    def conflict(self, conflict: Conflict) -> str:
        """Say what is wrong with a picture."""
        ...

    def correction(self, conflict: Conflict) -> str:
        """Say how to correct a picture."""
        ...

    def read(self, description: str) -> SceneGraph | None:
        """The scene that a description describes; ``None`` if it is not in this language."""
        ...

    def read_conflict(self, inspection: str) -> Conflict | None:
        """The conflict that an inspection names; ``None`` if it names none or is not in this language."""
        ...

    def read_correction(self, correction: str) -> Conflict | None:
        """The conflict that a correction mends; ``None`` if it is not in this language."""
        ...


def same_things(one: Sequence[Node], other: Sequence[Node]) -> bool:
    """Whether two scenes have the same things, in any order and at any place."""

    def key(node: Node) -> tuple[str, str]:
        return node.name, node.color or ""

    return sorted(map(key, one)) == sorted(map(key, other))
