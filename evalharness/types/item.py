"""Prompts, with their category and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PromptImage:
    """An image file that is part of a prompt, and its SHA-256."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt of a benchmark.

    Attributes:
        id: Stable within the benchmark.
        prompt: The text that a model is given.
        category: The category that the score counts for.
        metadata: JSON; all that the scorer needs to know of the prompt.
        picture: The image that an instruction changes, for the variant ``edit``.
    """

    id: str
    prompt: str
    category: str
    metadata: Mapping[str, Any]
    picture: PromptImage | None = None


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The identity of a set of prompts: its name, such as ``original``, and its SHA-256."""

    name: str
    digest: str
