"""Teachers, which draw the intermediate states of a chain.

A plugin is a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``, in the entry-point
group ``evalharness.teachers``. ``renderer`` is the one of the embedded world.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

from evalharness.api.plugin import Plugin
from evalharness.training_data.graphs import SceneGraph


@dataclass(frozen=True, slots=True)
class DrawingRequest:
    """A state to draw.

    Attributes:
        before: The picture to start from; ``None`` for an empty one.
        after: Everything that the state shows.
        instruction: What is new, in the world's language.
        description: Everything that the state shows, in the world's language.
        seed: The seed of the noise.
        edit: Whether it corrects the picture: whatever ``after`` does not change stays as it is.
    """

    before: Image.Image | None
    after: SceneGraph
    instruction: str
    description: str
    seed: int
    edit: bool = False


class Teacher(Plugin, ABC):
    """Draws states."""

    exact: ClassVar[bool] = False
    """Whether its drawings are right by construction, so that no filter needs to check them."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a drawing, as JSON, without paths or devices."""

    @abstractmethod
    def draw(self, requests: Sequence[DrawingRequest]) -> list[Image.Image]:
        """Draw one RGB image per request; each depends on its own request alone."""
