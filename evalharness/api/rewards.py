"""What a benchmark adds so that its scores can be used as rewards in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from evalharness.types.item import Item
from evalharness.types.score import Score


class Rewarding(ABC):
    """Base of a benchmark that can score prompts other than its own, and grades how wrong an image is."""

    reward_names: ClassVar[tuple[str, ...]]
    """Names of the rewards besides the score."""

    @abstractmethod
    def item_of(self, metadata: Any, place: str) -> Item:
        """The item of a prompt that the benchmark does not have.

        Args:
            metadata: Everything that the scorer needs to know about it; JSON.
            place: Where it comes from, for messages.

        Raises:
            ConfigError: The metadata are malformed; the message begins with ``place``.
        """

    @abstractmethod
    def rewards(self, item: Item, score: Score) -> Mapping[str, float]:
        """The rewards besides the score, by :attr:`reward_names`, each in 0..1."""
