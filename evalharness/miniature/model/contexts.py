"""Contexts of the miniature: keys and values of what was read so far, and the verbs over batches of them.

An image or a text must not depend on which other samples happened to be in its batch. In float64 it does not: what a
matrix product's rounding owes to the shape and the place in a batch is far below what an 8-bit pixel or a drawn word
can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from evalharness.errors import SampleError
from evalharness.miniature.model.network import NO_CELL, Network

CHUNKS = (4, 8, 16)
"""Contexts a pass: the smallest size that holds what is left, or the largest. Few sizes, so that few shapes occur."""
READ = (1, 8, 24)
"""Text tokens a pass while reading: the narrowest that holds what is left, or the widest."""
CAPACITY = 480
"""Most tokens in a context."""
_STEP = 80
"""A cache grows by this many tokens at a time."""


@dataclass
class MiniatureContext:
    """One sample's context. ``cache`` is (depth, 2, heads, room, head width), its first ``length`` tokens valid."""

    cache: Tensor
    state: Tensor
    """(cells, latent): the last canvas that was looked at, zeros before."""
    hidden: Tensor | None = None
    """(width,): of the last token, from which the next one is predicted."""
    length: int = 0
    position: int = 0


def start(network: Network, count: int) -> list[MiniatureContext]:
    """Empty contexts."""
    config = network.config
    shape = (config.depth, 2, config.heads, 0, config.width // config.heads)
    like = network.words.weight
    return [MiniatureContext(like.new_zeros(shape), like.new_zeros(config.cells, config.latent)) for _ in range(count)]


def chunks(count: int) -> Iterator[list[int]]:
    """Indices in groups of these sizes; the last group is filled up with its first index."""
    for at in range(0, count, CHUNKS[-1]):
        group = list(range(at, min(at + CHUNKS[-1], count)))
        size = next(size for size in CHUNKS if size >= len(group))
        yield group + group[:1] * (size - len(group))


def _room(tokens: int) -> int:
    """For how many tokens there is to be room for so many: few sizes, so that few shapes occur."""
    if tokens > CAPACITY:
        raise SampleError(f"the text is too long for the miniature: {tokens} tokens, at most {CAPACITY}")
    return -(-tokens // _STEP) * _STEP


@dataclass
class Pass:
    """A batch of contexts, stacked: ``past`` (depth, 2, batch, heads, room, head width) and what of it is valid."""

    past: Tensor
    lengths: Tensor
    positions: Tensor

    @classmethod
    def over(cls, contexts: Sequence[MiniatureContext], new: int) -> Pass:
        """Room for ``new`` more tokens in each."""
        room = _room(max(context.length for context in contexts) + new)
        depth, two, heads, _, width = contexts[0].cache.shape
        device = contexts[0].cache.device
        past = contexts[0].cache.new_zeros(depth, two, len(contexts), heads, room, width)
        for i, context in enumerate(contexts):
            past[:, :, i, :, : context.length] = context.cache[:, :, :, : context.length]
        lengths = torch.tensor([context.length for context in contexts], device=device)
        return cls(past, lengths, torch.tensor([context.position for context in contexts], device=device))

    def see(
        self, network: Network, x: Tensor, positions: Tensor, among: Tensor, *, canvas: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Run new tokens: text, or a canvas. ``among`` (batch, new, new): which of the new ones see each other.

        Returns hidden states (batch, new, width) and new keys and values (depth, 2, batch, heads, new, head width).
        """
        batch, new, _ = x.shape
        room = self.past.shape[-2]
        old = torch.arange(room, device=x.device)[None, None] < self.lengths[:, None, None]
        mask = torch.cat([old.expand(batch, new, room), among], dim=-1)[:, None]
        past = [(layer[0], layer[1]) for layer in self.past]
        cells = torch.arange(new, device=x.device) if canvas else torch.full((new,), NO_CELL, device=x.device)
        hidden, cache = network.run(x, positions, cells.expand(batch, -1), mask, past)
        return hidden, torch.stack([torch.stack(pair) for pair in cache])

    def widen(self) -> None:
        """Make room for one more token where there is none."""
        lacking = _room(int(self.lengths.max()) + 1) - self.past.shape[-2]
        if lacking > 0:
            self.past = F.pad(self.past, (0, 0, 0, lacking))

    def keep(self, cache: Tensor, rows: list[int]) -> None:
        """Add the first new token of these rows to what is valid."""
        at = torch.tensor(rows, device=cache.device)
        self.past[:, :, at, :, self.lengths[at]] = cache[:, :, at, :, torch.zeros_like(at)]
        self.lengths[at] += 1
        self.positions[at] += 1

    def give(self, row: int, context: MiniatureContext, hidden: Tensor) -> None:
        """Give a context what its row holds."""
        context.length, context.position = int(self.lengths[row]), int(self.positions[row])
        context.cache = self.past[:, :, row, :, : context.length].clone()
        context.hidden = hidden


def append(
    contexts: Sequence[MiniatureContext],
    group: Sequence[int],
    cache: Tensor,
    hidden: Tensor,
    counts: Sequence[int],
    advance: Callable[[int], int],
) -> None:
    """Add the first ``counts[i]`` new tokens of each row to its context; a row that only fills up a chunk is
    dropped.
    """
    for row, index in enumerate(group):
        if row and index == group[0]:
            continue
        context, count = contexts[index], counts[row]
        if count == 0:
            continue
        context.cache = torch.cat([context.cache, cache[:, :, row, :, :count]], dim=-2)
        context.hidden = hidden[row, count - 1]
        context.length += count
        context.position += advance(count)


def read(network: Network, contexts: Sequence[MiniatureContext], texts: Sequence[Sequence[int]]) -> None:
    """Append token ids to each context, some at a time."""
    device = network.words.weight.device
    for group in chunks(len(contexts)):
        at, longest = 0, max(len(texts[i]) for i in group)
        while at < longest:
            width = next((width for width in READ if width >= longest - at), READ[-1])
            pieces = [list(texts[i][at : at + width]) for i in group]
            ids = torch.tensor([piece + [0] * (width - len(piece)) for piece in pieces], device=device)
            batch = Pass.over([contexts[i] for i in group], width)
            positions = batch.positions[:, None] + torch.arange(width, device=device)
            causal = torch.ones(width, width, dtype=torch.bool, device=device).tril().expand(len(group), -1, -1)
            hidden, cache = batch.see(network, network.embed_text(ids), positions, causal)
            append(contexts, group, cache, hidden, [len(piece) for piece in pieces], lambda count: count)
            at += width


def look(network: Network, contexts: Sequence[MiniatureContext], latents: Tensor) -> None:
    """Append a canvas, (contexts, cells, latent), to each context. Its tokens see each other and share one position."""
    cells = network.config.cells
    for group in chunks(len(contexts)):
        among = torch.ones(len(group), cells, cells, dtype=torch.bool, device=latents.device)
        batch = Pass.over([contexts[i] for i in group], cells)
        positions = batch.positions[:, None].expand(-1, cells)
        hidden, cache = batch.see(network, network.embed_clean(latents[group]), positions, among, canvas=True)
        append(contexts, group, cache, hidden, [cells] * len(group), lambda count: 1)
        for index in set(group):
            contexts[index].state = latents[index]


def write(
    network: Network,
    contexts: Sequence[MiniatureContext],
    stop: set[int],
    max_tokens: int,
    choose: Callable[[int, Tensor], int],
) -> list[list[int]]:
    """Token ids written after each context, its stop token included; ``choose(index, logits)`` picks one."""
    written: list[list[int]] = []
    for group in chunks(len(contexts)):
        if any(contexts[i].hidden is None for i in group):
            raise ValueError("nothing was read before writing")
        count = len(set(group))
        written += _write(network, contexts, group, count, stop, max_tokens, choose)
    return written


def _write(
    network: Network,
    contexts: Sequence[MiniatureContext],
    group: Sequence[int],
    count: int,
    stop: set[int],
    max_tokens: int,
    choose: Callable[[int, Tensor], int],
) -> list[list[int]]:
    """A chunk, whose first ``count`` rows are not only there to fill it up: stacked once, taken apart at the end."""
    device = network.words.weight.device
    among = torch.ones(len(group), 1, 1, dtype=torch.bool, device=device)
    hidden = torch.stack([contexts[i].hidden for i in group])  # type: ignore[misc]
    batch = Pass.over([contexts[i] for i in group], 1)
    written: list[list[int]] = [[] for _ in range(count)]
    writing = list(range(count))
    for _ in range(max_tokens):
        logits = network.logits(hidden)
        for row in writing:
            written[row].append(choose(group[row], logits[row]))
        ids = torch.zeros(len(group), 1, dtype=torch.int64)
        ids[writing, 0] = torch.tensor([written[row][-1] for row in writing])
        batch.widen()
        new, cache = batch.see(network, network.embed_text(ids.to(device)), batch.positions[:, None], among)
        batch.keep(cache, writing)
        hidden[writing] = new[writing, 0]
        writing = [row for row in writing if written[row][-1] not in stop]
        if not writing:
            break
    for row in range(count):
        batch.give(row, contexts[group[row]], hidden[row])
    return written


def draw(
    network: Network,
    contexts: Sequence[MiniatureContext],
    unguided: Sequence[MiniatureContext],
    noise: Tensor,
    times: Sequence[float],
    guidance: float,
) -> Tensor:
    """Solve the flow from noise, (contexts, cells, latent), down ``times`` (1 … 0) by Euler steps; returns clean
    latents.

    The velocity is led away from that of the ``unguided`` contexts by ``guidance``; 1 leaves it as it is.
    """
    out = torch.empty_like(noise)
    cells = network.config.cells
    for group in chunks(len(contexts)):
        among = torch.ones(len(group), cells, cells, dtype=torch.bool, device=noise.device)
        sides = [[contexts[i] for i in group]] + ([[unguided[i] for i in group]] if guidance != 1 else [])
        passes = [(Pass.over(side, cells), torch.stack([context.state for context in side])) for side in sides]
        x = noise[group]
        for now, after in pairwise(times):
            time = noise.new_full((len(group),), now)
            velocities = []
            for batch, state in passes:
                positions = batch.positions[:, None].expand(-1, cells)
                hidden, _ = batch.see(network, network.embed_noisy(x, state, time), positions, among, canvas=True)
                velocities.append((x - network.latents(hidden, state)) / now)
            velocity = velocities[0]
            if len(velocities) == 2:
                velocity = velocities[1] + guidance * (velocities[0] - velocities[1])
            x = x - (now - after) * velocity
        for row, index in enumerate(group):
            if row == 0 or index != group[0]:
                out[index] = x[row]
    return out
