"""Filters, which check whether a picture shows what it should.

A plugin is a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``, in the entry-point
group ``evalharness.filters``. ``scorer`` is a detector with a colour classifier and also reports what it saw; ``judge``
asks a judge plugin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from evalharness.api.plugin import Plugin
from evalharness.training_data.conflicts import Conflict, Sighting
from evalharness.training_data.graphs import SceneGraph
from evalharness.training_data.world import World


@dataclass(frozen=True, slots=True)
class Case:
    """A picture and what it should show."""

    image: Image.Image
    graph: SceneGraph
    prompt: str
    description: str
    world: World


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check.

    Attributes:
        right: Whether the picture is right.
        conflict: What is wrong, if the filter can tell.
        reason: What is wrong, in the filter's own words.
        seen: The things in the picture, if the filter can tell.
    """

    right: bool
    conflict: Conflict | None = None
    reason: str = ""
    seen: tuple[Sighting, ...] | None = None


class Filter(Plugin, ABC):
    """Checks pictures."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What decides a verdict, as JSON, without paths, keys or devices."""

    @abstractmethod
    def check(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """Return one verdict per case, which depends on that case alone; ``None`` if there is no verdict."""
