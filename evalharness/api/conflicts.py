"""Kinds of conflict that a refinement can be about, and the interface of readers that find them in a model's words.

A reader is a plugin of the entry-point group ``evalharness.conflict_readers``, one for each language in which models
describe scenes. Plain English is built in.
"""

from __future__ import annotations

from typing import Literal, Protocol

ConflictKind = Literal["instruction-state", "state-prompt"]
"""``instruction-state``: the sketch departs from its instruction. ``state-prompt``: the plan departs from the prompt,
and the sketch follows it."""


class ConflictReader(Protocol):
    """Tells the kinds of the conflicts that an inspection names."""

    def __call__(self, description: str, inspection: str, correction: str) -> list[ConflictKind | None] | None:
        """Read the texts of one refinement, in lower case and without markers.

        Args:
            description: The scene that the plan describes.
            inspection: What is wrong with the sketch; empty if it was not inspected.
            correction: How to correct it; this is read if the sketch was not inspected.

        Returns:
            The kind of each thing that is wrong, ``None`` for one that cannot be told; ``None`` instead of a list if
            the description is in another language.
        """
        ...


def conflict_kind(*, wanted_is_planned: bool, seen_is_planned: bool) -> ConflictKind | None:
    """The kind of a conflict between what is seen and what is wanted, given which of them the plan describes."""
    if wanted_is_planned:
        return "instruction-state"
    return "state-prompt" if seen_is_planned else None
