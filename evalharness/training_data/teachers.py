"""Teachers draw the intermediate states of a chain.

A plugin is a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``, in the group
``evalharness.teachers``. ``renderer`` is the embedded world's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from evalharness.training_data.graphs import SceneGraph


@dataclass(frozen=True, slots=True)
class DrawingRequest:
    """A state to draw: all of ``after``, from the picture ``before`` (``None``: from nothing).

    ``instruction`` says what is new, ``description`` all of it, both in the world's language.
    """

    before: Image.Image | None
    after: SceneGraph
    instruction: str
    description: str
    seed: int


class Teacher(Protocol):
    """Draws states. One with ``exact = True`` draws them as its world defines them: no filter needs to look."""

    name: str

    def identity(self) -> Mapping[str, Any]:
        """What decides a drawing; JSON, without paths or devices."""
        ...

    def draw(self, requests: Sequence[DrawingRequest]) -> list[Image.Image]:
        """One RGB image a request; each depends on its own request alone."""
        ...
