"""Prompts, with their category and metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ItemField = Literal["id", "prompt", "category", "metadata", "picture"]
ITEM_FIELDS: tuple[ItemField, ...] = ("id", "prompt", "category", "metadata", "picture")
"""The fields of an :class:`Item`."""


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

    def only(self, visible: Collection[ItemField]) -> Item:
        """The item with all other fields empty."""
        empty = Item("", "", "", {})
        return Item(**{name: getattr(self if name in visible else empty, name) for name in ITEM_FIELDS})

    def as_json(self, visible: Collection[ItemField]) -> dict[str, Any]:
        """Some fields as JSON; the picture is its digest."""
        values: dict[str, Any] = {name: getattr(self, name) for name in visible if name != "picture"}
        if "metadata" in visible:
            values["metadata"] = dict(self.metadata)
        if "picture" in visible:
            values["picture"] = None if self.picture is None else self.picture.digest
        return values


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The identity of a set of prompts: its name, such as ``original``, and its SHA-256."""

    name: str
    digest: str
