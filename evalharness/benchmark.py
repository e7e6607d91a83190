"""What a benchmark must offer: items, a scorer for their images, and how scores become one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt. ``id`` is stable within the benchmark; ``metadata`` is JSON and all that the scorer needs to know."""

    id: str
    prompt: str
    category: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict on one image.

    ``value`` is in 0..1. ``reason`` says why it is not 1. ``details`` is JSON evidence; a detector puts its
    ``detections`` there: ``[{"class", "box": [x1, y1, x2, y2] in pixels, "score", "color"}, …]``.
    """

    value: float
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Which prompts were used: ``original`` or a file's name, and the SHA-256 of their bytes."""

    name: str
    digest: str


class Scorer(Protocol):
    """Looks at final images."""

    batch_size: int

    def identity(self) -> Mapping[str, Any]:
        """What decides a score: protocol version, detector or judge with its weights' digest, thresholds; JSON."""
        ...

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        """One score an image; each depends on its own image and item alone."""
        ...


class Benchmark(Protocol):
    """A plugin: a class with a nested pydantic ``Settings`` and a cheap ``__init__(self, settings)``.

    One whose prompts are a function of a seed may have ``prompt_file(n, seed) -> str``, a static method with the
    official values as defaults; ``evalharness prompts`` prints what it returns.
    """

    name: str
    version: str
    """The protocol's version: part of the scorer's identity, raised when a rule changes."""
    weights: Mapping[str, float]
    """Category → its weight in the overall score, in the order in which tables show them; the weights sum to 1."""
    images_per_prompt: int

    def prompt_set(self) -> PromptSet: ...

    def items(self) -> list[Item]: ...

    def scorer(self) -> Scorer:
        """The scorer; cheap, its weights are loaded by the first ``score``."""
        ...
