"""Batches in parts that fit in memory. What lies on the device is contexts, mostly: 9,000 tokens an image looked at."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from evalharness.errors import SampleError
from evalharness.models.bagel.cache import Context

R = TypeVar("R")
Part = Sequence[int]
"""Samples of a batch."""


class Batching:
    """``bound``: how many tokens of contexts are at work together, ``None`` until memory has told. Contexts that wait
    for their turn make room, in the host's memory, where they would be more.

    A part that does not fit is taken back to where it was, halved and tried again; the bound then stays below what it
    was. What a part computes must follow from its contexts alone, and change nothing else.
    """

    def __init__(self, bound: int | None) -> None:
        self.bound = bound
        self._known: weakref.WeakSet[Context] = weakref.WeakSet()

    def know(self, contexts: Sequence[Context]) -> None:
        """Contexts that take room."""
        self._known.update(contexts)

    def run(self, contexts: Sequence[Context], work: Callable[[Part], list[R]], *, alone: bool) -> list[R]:
        """What ``work`` makes of each context, part by part; ``alone``: one by one.

        Raises:
            SampleError: there is no room for one alone.
        """
        self.know(contexts)
        results: list[R] = []
        for part in self._parts(contexts, range(len(contexts)), alone):
            results += self._tried(contexts, part, work)
        return results

    def _parts(self, contexts: Sequence[Context], samples: Part, alone: bool) -> Iterator[Part]:
        part: list[int] = []
        tokens = 0
        for i in samples:
            more = contexts[i].tokens
            if part and (alone or (self.bound is not None and tokens + more > self.bound)):
                yield part
                part, tokens = [], 0
            part.append(i)
            tokens += more
        if part:
            yield part

    def _tried(self, contexts: Sequence[Context], part: Part, work: Callable[[Part], list[R]]) -> list[R]:
        own = [contexts[i] for i in part]
        self._make_room(own)
        undo = [context.undo() for context in own]
        try:
            return work(part)
        except torch.OutOfMemoryError:
            for back in undo:
                back()
        # Out of the handler, whose traceback keeps the tensors of the pass.
        tokens = sum(context.tokens for context in own)
        waited = self._park(own)
        self.bound = min(tokens, self.bound or tokens) if waited and len(part) == 1 else tokens // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(part) > 1:
            half = len(part) // 2
            return self._tried(contexts, part[:half], work) + self._tried(contexts, part[half:], work)
        if waited:
            return self._tried(contexts, part, work)
        raise SampleError(
            f"out of memory with a context of {tokens} tokens; make images smaller (height, width, vae_sizes), "
            "max_iterations fewer, or spread the layers over several devices"
        )

    def _make_room(self, own: Sequence[Context]) -> None:
        if self.bound is not None and sum(context.tokens for context in self._known if context.here) > self.bound:
            self._park(own)

    def _park(self, own: Sequence[Context]) -> bool:
        """Send all others to the host's memory; whether there were any."""
        others = [context for context in self._known if context.here and not any(context is one for one in own)]
        for context in others:
            context.park()
        return bool(others)
