"""What is asked of a model: prompts, with their category and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PromptImage:
    """An image file that stands in a prompt, and its SHA-256."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt. ``id`` is stable within the benchmark; ``metadata`` is JSON and all that the scorer needs to know.

    ``picture`` is what an instruction is about, for the variant ``edit``.
    """

    id: str
    prompt: str
    category: str
    metadata: Mapping[str, Any]
    picture: PromptImage | None = None


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Which prompts were used: ``original`` or another name for them, and a SHA-256 of them."""

    name: str
    digest: str
