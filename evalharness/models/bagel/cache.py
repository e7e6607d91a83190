"""Keys and values of growing sequences, and views of what a new token can attend to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

STEP = 256
"""Number of tokens by which a cache grows."""


@dataclass
class Cache:
    """Keys and values of a sequence.

    Attributes:
        layers: keys and values of each layer, ``(2, key-value heads, capacity, head width)``.
        length: number of tokens in use, of the capacity.
        parked: whether the cache waits in the host's memory.
    """

    layers: list[Tensor] = field(default_factory=list)
    length: int = 0
    parked: bool = False

    def joined(self, layer: int, length: int, new: Tensor) -> Tensor:
        """Keys and values of the first ``length`` tokens in a layer, followed by new ones that are not stored."""
        return torch.cat([self._fetch(layer, new.device)[:, :, :length], new], dim=2) if length else new

    def put(self, layer: int, new: Tensor) -> Tensor:
        """Store keys and values of new tokens behind the last token in a layer.

        They become part of the sequence by :meth:`advance`, after all layers have stored them.

        Args:
            layer: the index of the layer.
            new: ``(2, key-value heads, new tokens, head width)``.

        Returns:
            A view of the old and new tokens' keys and values.
        """
        end = self.length + new.shape[2]
        if layer == len(self.layers):
            self.layers.append(new[:, :, :0])
        stored = self._fetch(layer, new.device)
        if end > stored.shape[2]:
            capacity = -(-end // STEP) * STEP
            larger = stored.new_empty(2, stored.shape[1], capacity, stored.shape[3])
            larger[:, :, : self.length] = stored[:, :, : self.length]
            self.layers[layer] = stored = larger
        stored[:, :, self.length : end] = new
        return stored[:, :, :end]

    def advance(self, count: int) -> None:
        """Make stored tokens part of the sequence."""
        self.length += count

    def cut(self, length: int) -> None:
        """Drop all tokens but the first ``length``."""
        self.length = min(self.length, length)

    def park(self) -> None:
        """Move to the host's memory. A layer moves back when it is next used."""
        self.layers = [layer[:, :, : self.length].cpu() for layer in self.layers]
        self.parked = True

    def copy(self) -> Cache:
        """An independent copy."""
        return Cache([layer[:, :, : self.length].clone() for layer in self.layers], self.length, self.parked)

    def _fetch(self, layer: int, device: torch.device) -> Tensor:
        self.layers[layer], self.parked = self.layers[layer].to(device), False
        return self.layers[layer]


@dataclass(frozen=True, slots=True)
class View:
    """The first ``length`` tokens of a cache, and the position of the token that follows them."""

    cache: Cache
    length: int
    position: int


@dataclass
class Stream:
    """A growing sequence. An image takes a single position, whatever its number of tokens."""

    cache: Cache = field(default_factory=Cache)
    position: int = 0

    def view(self) -> View:
        return View(self.cache, self.cache.length, self.position)

    def copy(self) -> Stream:
        return Stream(self.cache.copy(), self.position)


@dataclass(eq=False)
class Context:
    """A sample's trajectory, and the sequences that classifier-free guidance compares it with.

    Attributes:
        full: everything that was read, seen and written.
        unguided_prefix: length and position of the part of ``full`` before the newest text. Text guidance compares with
            this part.
        text_only: the texts without the images. Image guidance compares with them. If image guidance is used, this
            sequence branches off at the first image, so that nothing is encoded twice.
        empty: whether text guidance compares with an empty sequence at the position of ``unguided_prefix`` instead.
        holds_image: whether an image has been seen.
        seed: seed of the newest drawing or text; it decides the noise with which an image is seen.
    """

    full: Stream = field(default_factory=Stream)
    unguided_prefix: tuple[int, int] = (0, 0)
    text_only: Stream | None = None
    empty: bool = False
    holds_image: bool = False
    seed: int = 0

    def copy(self) -> Context:
        """An independent copy."""
        return replace(self, full=self.full.copy(), text_only=None if self.text_only is None else self.text_only.copy())

    def rollback_point(self) -> Callable[[], None]:
        """A function that restores the present state, provided that the context has only grown since."""
        state = dict(vars(self))
        streams = [(stream, stream.cache.length, stream.position) for stream in self.streams()]

        def roll_back() -> None:
            vars(self).update(state)
            for stream, length, position in streams:
                stream.cache.cut(length)
                stream.position = position

        return roll_back

    def park(self) -> None:
        """Move to the host's memory."""
        for stream in self.streams():
            stream.cache.park()

    @property
    def on_device(self) -> bool:
        """Whether a part of the context occupies memory of the device."""
        return any(stream.cache.length and not stream.cache.parked for stream in self.streams())

    @property
    def tokens(self) -> int:
        """Number of tokens in memory."""
        return sum(stream.cache.length for stream in self.streams())

    def streams(self) -> list[Stream]:
        """The sequences that a text is appended to."""
        return [self.full] if self.text_only is None else [self.full, self.text_only]

    def without_newest_text(self) -> View:
        """The view that text guidance compares with."""
        length, position = self.unguided_prefix
        return View(self.full.cache, 0 if self.empty else length, position)

    def mark_newest_text(self) -> None:
        """Count everything that follows as the newest text."""
        self.unguided_prefix = (self.full.cache.length, self.full.position)
