"""Keys and values of a growing sequence, and views of them: what a new token can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

STEP = 256
"""A cache grows by whole multiples of this many tokens."""


@dataclass
class Cache:
    """``layers[i]`` is (2, key-value heads, room, head width), keys and values; its first ``length`` tokens count."""

    layers: list[Tensor] = field(default_factory=list)
    length: int = 0
    parked: bool = False

    def joined(self, layer: int, length: int, new: Tensor) -> Tensor:
        """Keys and values of the first ``length`` tokens in a layer, and of new ones that are not to be kept."""
        return torch.cat([self._held(layer, new.device)[:, :, :length], new], dim=2) if length else new

    def put(self, layer: int, new: Tensor) -> Tensor:
        """Store keys and values (2, heads, n, width) behind the last token; returns all, a view.

        They count once every layer has them and :meth:`advance` was called.
        """
        end = self.length + new.shape[2]
        if layer == len(self.layers):
            self.layers.append(new[:, :, :0])
        held = self._held(layer, new.device)
        if end > held.shape[2]:
            room = -(-end // STEP) * STEP
            grown = held.new_empty(2, held.shape[1], room, held.shape[3])
            grown[:, :, : self.length] = held[:, :, : self.length]
            self.layers[layer] = held = grown
        held[:, :, self.length : end] = new
        return held[:, :, :end]

    def advance(self, count: int) -> None:
        self.length += count

    def cut(self, length: int) -> None:
        """Forget all tokens but the first ``length``."""
        self.length = min(self.length, length)

    def park(self) -> None:
        """Wait in the host's memory. A layer comes back when it is next looked at."""
        self.layers = [layer[:, :, : self.length].cpu() for layer in self.layers]
        self.parked = True

    def copy(self) -> Cache:
        """One that grows on its own from here."""
        return Cache([layer[:, :, : self.length].clone() for layer in self.layers], self.length, self.parked)

    def _held(self, layer: int, device: torch.device) -> Tensor:
        self.layers[layer], self.parked = self.layers[layer].to(device), False
        return self.layers[layer]


@dataclass(frozen=True, slots=True)
class View:
    """The first ``length`` tokens of a cache, and the position of a token that follows them."""

    cache: Cache
    length: int
    position: int


@dataclass
class Stream:
    """A sequence that grows. An image takes one position, however many tokens it has."""

    cache: Cache = field(default_factory=Cache)
    position: int = 0

    def view(self) -> View:
        return View(self.cache, self.cache.length, self.position)

    def copy(self) -> Stream:
        return Stream(self.cache.copy(), self.position)


@dataclass(eq=False)
class Context:
    """One sample's trajectory, and what guides its drawings away from itself.

    ``whole`` is all that was read, seen and written. ``bare``, the beginning of it without the newest text, is where
    text guidance comes from; ``texts``, the same texts without the images, where image guidance does. It branches off
    at the first image, if image guidance is wanted, so that nothing is encoded twice.
    """

    whole: Stream = field(default_factory=Stream)
    bare: tuple[int, int] = (0, 0)
    """Length and position."""
    texts: Stream | None = None
    empty: bool = False
    """Text guidance comes from nothing at all, at the position of ``bare``."""
    holds_image: bool = False
    seed: int = 0
    """Of the newest drawing or writing; the noise with which an image is seen follows from it."""

    def copy(self) -> Context:
        """One that grows on its own from here."""
        return replace(self, whole=self.whole.copy(), texts=None if self.texts is None else self.texts.copy())

    def undo(self) -> Callable[[], None]:
        """What takes it back to what it is now, if it has only grown since."""
        before = dict(vars(self))
        streams = [(stream, stream.cache.length, stream.position) for stream in self.streams()]

        def back() -> None:
            vars(self).update(before)
            for stream, length, position in streams:
                stream.cache.cut(length)
                stream.position = position

        return back

    def park(self) -> None:
        """Wait in the host's memory."""
        for stream in self.streams():
            stream.cache.park()

    @property
    def here(self) -> bool:
        """Whether it takes room on the device."""
        return any(stream.cache.length and not stream.cache.parked for stream in self.streams())

    @property
    def tokens(self) -> int:
        """How many tokens it holds in memory."""
        return sum(stream.cache.length for stream in self.streams())

    def streams(self) -> list[Stream]:
        """What a text is added to."""
        return [self.whole] if self.texts is None else [self.whole, self.texts]

    def without_newest_text(self) -> View:
        length, position = self.bare
        return View(self.whole.cache, 0 if self.empty else length, position)

    def mark(self) -> None:
        """From here on, texts are the newest."""
        self.bare = (self.whole.cache.length, self.whole.position)
