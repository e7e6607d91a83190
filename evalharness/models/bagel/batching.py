"""Splits batches into parts that fit in memory. Contexts take most of it: 9,000 tokens for each image seen."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from evalharness.errors import SampleError
from evalharness.models.bagel.cache import Context

R = TypeVar("R")
Part = Sequence[int]
"""Indices of samples in a batch."""


class Batching:
    """Runs work on batches of contexts within a limit of tokens on the device.

    Contexts that exceed the limit wait in the host's memory. A part that runs out of memory is rolled back, halved and
    tried again, and the limit is lowered. The work on a part must depend on, and change, its own contexts only.
    """

    def __init__(self, max_tokens: int | None) -> None:
        """Start without contexts.

        Args:
            max_tokens: limit on the tokens of contexts on the device; ``None`` to learn it when memory runs out.
        """
        self.max_tokens = max_tokens
        self._contexts: weakref.WeakSet[Context] = weakref.WeakSet()

    def register(self, contexts: Sequence[Context]) -> None:
        """Count contexts against the limit."""
        self._contexts.update(contexts)

    def run(self, contexts: Sequence[Context], work: Callable[[Part], list[R]], *, alone: bool) -> list[R]:
        """Run ``work`` on all contexts, part by part.

        Args:
            contexts: the contexts of a batch.
            work: maps indices of samples to a result for each.
            alone: whether to make a part of each context.

        Returns:
            A result for each context.

        Raises:
            SampleError: a single context does not fit in memory.
        """
        self.register(contexts)
        results: list[R] = []
        for part in self._parts(contexts, range(len(contexts)), alone):
            results += self._run_or_split(contexts, part, work)
        return results

    def _parts(self, contexts: Sequence[Context], samples: Part, alone: bool) -> Iterator[Part]:
        part: list[int] = []
        tokens = 0
        for i in samples:
            added = contexts[i].tokens
            full = self.max_tokens is not None and tokens + added > self.max_tokens
            if part and (alone or full):
                yield part
                part, tokens = [], 0
            part.append(i)
            tokens += added
        if part:
            yield part

    def _run_or_split(self, contexts: Sequence[Context], part: Part, work: Callable[[Part], list[R]]) -> list[R]:
        active = [contexts[i] for i in part]
        self._make_room(active)
        rollbacks = [context.rollback_point() for context in active]
        try:
            return work(part)
        except torch.OutOfMemoryError:
            for roll_back in rollbacks:
                roll_back()
        # This is outside of the handler, whose traceback would keep the tensors of the pass alive.
        tokens = sum(context.tokens for context in active)
        any_parked = self._park_inactive(active)
        if any_parked and len(part) == 1:
            self.max_tokens = min(tokens, self.max_tokens or tokens)
        else:
            self.max_tokens = tokens // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(part) > 1:
            half = len(part) // 2
            return self._run_or_split(contexts, part[:half], work) + self._run_or_split(contexts, part[half:], work)
        if any_parked:
            return self._run_or_split(contexts, part, work)
        raise SampleError(
            f"out of memory with a context of {tokens} tokens; make images smaller (height, width, vae_sizes), "
            "max_iterations fewer, or spread the layers over several devices"
        )

    def _make_room(self, active: Sequence[Context]) -> None:
        if self.max_tokens is None:
            return
        if sum(context.tokens for context in self._contexts if context.on_device) > self.max_tokens:
            self._park_inactive(active)

    def _park_inactive(self, active: Sequence[Context]) -> bool:
        """Move all contexts but the active ones to the host's memory; returns whether there were any."""
        active_ids = set(map(id, active))
        inactive = [context for context in self._contexts if context.on_device and id(context) not in active_ids]
        for context in inactive:
            context.park()
        return bool(inactive)
