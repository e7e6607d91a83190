"""The verbs over batches of contexts: read, look, write, and the velocity of a drawing.

The tokens of all samples are packed one after the other and attend to their own past only. So contexts of different
lengths need no padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from evalharness.models.bagel.autoencoder import DOWN, Autoencoder
from evalharness.models.bagel.cache import Context, Stream, View
from evalharness.models.bagel.config import LATENT_PATCH
from evalharness.models.bagel.network import Network, Piece
from evalharness.models.bagel.vision import to_patches

STRIDE = DOWN * LATENT_PATCH
"""Pixels per latent token along each side."""


@dataclass(frozen=True)
class Markers:
    """Ids of the tokens that enclose texts and images."""

    text_start: int
    text_end: int
    image_start: int
    image_end: int


@dataclass
class BagelVerbs:
    """A network, its autoencoder and its markers.

    Attributes:
        row_counts: written tokens are computed in passes of one of these numbers of rows, in ascending order, padded
            if there are fewer samples. A matrix product with another number of rows may differ in its last bits; if a
            row's result is the same at all of these numbers, a sample's text does not depend on the other samples.
            Empty for passes of any number of rows.
    """

    network: Network
    autoencoder: Autoencoder
    markers: Markers
    row_counts: Sequence[int] = ()

    def read(self, contexts: Sequence[Context], texts: Sequence[Sequence[int]], *, newest: bool = True) -> list[Tensor]:
        """Append a text to each context.

        Args:
            contexts: the contexts of a batch.
            texts: token ids without markers.
            newest: whether text guidance strengthens this text and all that follows.

        Returns:
            Hidden states of each text's tokens, markers included, ``(n, width)``.
        """
        for context in contexts if newest else ():
            context.mark_newest_text()
        marked = [self._marked(text) for text in texts]
        pairs = [(stream, ids) for context, ids in zip(contexts, marked, strict=True) for stream in context.streams()]
        hidden = self._append(pairs)
        firsts = [0]
        for context in contexts[:-1]:
            firsts.append(firsts[-1] + len(context.streams()))
        return [hidden[first] for first in firsts]

    def look(
        self,
        contexts: Sequence[Context],
        latents: Sequence[Tensor | None],
        patches: Sequence[tuple[Tensor, int, int] | None],
        *,
        branch: bool,
    ) -> list[Tensor]:
        """Append an image to each context.

        Args:
            contexts: the contexts of a batch.
            latents: ``(channels, height, width)`` or ``None``; they come first.
            patches: patches, rows and columns, or ``None``.
            branch: whether to keep the texts without images as well, for image guidance.

        Returns:
            Hidden states of the latents' tokens, then of the patches', ``(n, width)`` for each context.
        """
        if branch:
            for context in contexts:
                context.text_only = context.text_only or context.full.copy()
        hidden: list[Tensor] = []
        with_latents = [pair for pair in zip(contexts, latents, strict=True) if pair[1] is not None]
        if with_latents:
            embedded = [self._embed_clean(sample) for _, sample in with_latents if sample is not None]
            hidden += self._append_images([context for context, _ in with_latents], embedded, generation=True)
        with_patches = [pair for pair in zip(contexts, patches, strict=True) if pair[1] is not None]
        if with_patches:
            embedded = [self.network.embed_patches(*sample) for _, sample in with_patches if sample is not None]
            hidden += self._append_images([context for context, _ in with_patches], embedded, generation=False)
        for context in contexts:
            context.mark_newest_text()
            context.empty, context.holds_image = False, True
        return hidden

    def write(
        self,
        contexts: Sequence[Context],
        openings: Sequence[Sequence[int]],
        *,
        ends: set[int],
        done: Callable[[int, Sequence[int]], bool],
        limit: int,
        choose: Callable[[Sequence[int], Tensor], list[int]],
    ) -> list[list[int]]:
        """Write tokens behind each context and its opening. :meth:`settle` then makes them a text of the context.

        Args:
            contexts: the contexts of a batch.
            openings: token ids to start with, without marker.
            ends: ids that end the writing; they are part of the result.
            done: tells from a sample's index and the ids that it wrote whether its text is complete.
            limit: maximum number of tokens.
            choose: returns token ids, given the indices of samples and their logits, ``(samples, vocabulary)``.

        Returns:
            The token ids that each sample wrote.
        """
        written: list[list[int]] = [[] for _ in contexts]
        fed = {i: [self.markers.text_start, *opening] for i, opening in enumerate(openings)}
        for _ in range(limit):
            logits = self._next_logits([(contexts[i].full, ids) for i, ids in fed.items()])
            for i, token in zip(fed, choose([*fed], logits), strict=True):
                written[i].append(token)
            fed = {i: written[i][-1:] for i in fed if written[i][-1] not in ends and not done(i, written[i])}
            if not fed:
                break
        return written

    def settle(
        self,
        contexts: Sequence[Context],
        starts: Sequence[tuple[int, int]],
        fed: Sequence[Sequence[int]],
        texts: Sequence[Sequence[int]],
    ) -> None:
        """Replace written tokens by the text as it would be read. The common beginning is not encoded again.

        Args:
            contexts: the contexts of a batch.
            starts: length and position of each context before it wrote.
            fed: tokens appended since then, with the start marker and the opening.
            texts: token ids of the text without markers.
        """
        pairs: list[tuple[Stream, list[int]]] = []
        for context, (length, position), old, text in zip(contexts, starts, fed, texts, strict=True):
            new = self._marked(text)
            common = min(_common_prefix(old, new), context.full.cache.length - length)
            context.full.cache.cut(length + common)
            context.full.position = position + common
            pairs.append((context.full, new[common:]))
            if context.text_only is not None:
                pairs.append((context.text_only, new))
        self._append([(stream, ids) for stream, ids in pairs if ids])

    def velocity(
        self, views: Sequence[View], noisy: Sequence[Tensor], time: float, grids: Sequence[tuple[int, int]]
    ) -> list[Tensor]:
        """Velocity from data to noise of the latents that are drawn behind each view.

        Args:
            views: the sequences to draw behind.
            noisy: ``(tokens, latent width)`` for each view.
            time: time of the flow, in 0…1.
            grids: rows and columns of latent tokens.

        Returns:
            ``(tokens, latent width)`` in float32 for each view.
        """
        markers = self._image_markers()
        pieces = [
            Piece(view, markers, view.position, self.network.embed_latents(latents, time, *grid))
            for view, latents, grid in zip(views, noisy, grids, strict=True)
        ]
        hidden = self.network.run(pieces, causal=False, keep=False)
        out: Tensor = self.network.llm2vae(torch.cat([states[len(markers) :] for states in hidden]))
        return list(torch.split(out.float(), [len(latents) for latents in noisy]))

    def _marked(self, text: Sequence[int]) -> list[int]:
        return [self.markers.text_start, *text, self.markers.text_end]

    def _image_markers(self) -> Tensor:
        return self.network.embed_text([self.markers.image_start, self.markers.image_end])

    def _next_logits(self, pairs: Sequence[tuple[Stream, Sequence[int]]]) -> Tensor:
        """Append tokens of text to streams; returns the logits of the next token of each, ``(streams, vocabulary)``."""
        size = len(pairs)
        if self.row_counts:
            size = self.row_counts[-1] if all(len(ids) == 1 for _, ids in pairs) else 1
        logits: list[Tensor] = []
        for start in range(0, len(pairs), size):
            batch = pairs[start : start + size]
            rows = next((rows for rows in self.row_counts if rows >= len(batch)), 0)
            last = torch.stack([states[-1] for states in self._append(batch, rows=rows)])
            padded = pad(last, (0, 0, 0, max(0, rows - len(last))))
            logits.append(self.network.logits(padded)[: len(last)])
        return torch.cat(logits)

    def _append(self, pairs: Sequence[tuple[Stream, Sequence[int]]], *, rows: int = 0) -> list[Tensor]:
        """Append tokens of text to streams; returns their hidden states."""
        if not pairs:
            return []
        embedded = self.network.embed_text([token for _, ids in pairs for token in ids])
        pieces = []
        for (stream, ids), tokens in zip(pairs, torch.split(embedded, [len(ids) for _, ids in pairs]), strict=True):
            pieces.append(Piece(stream.view(), tokens, range(stream.position, stream.position + len(ids))))
            stream.position += len(ids)
        return self.network.run(pieces, causal=True, keep=True, rows=rows)

    def _embed_clean(self, latents: Tensor) -> Tensor:
        """Embed latents ``(channels, height, width)`` without noise."""
        tokens = to_patches(latents, LATENT_PATCH)
        rows, columns = (side // LATENT_PATCH for side in latents.shape[1:])
        return self.network.embed_latents(tokens, 0.0, rows, columns)

    def _append_images(
        self, contexts: Sequence[Context], tokens: Sequence[Tensor], *, generation: bool
    ) -> list[Tensor]:
        """Append embedded images, between their markers, at one position each; ``generation``: latents, not patches."""
        markers = self._image_markers()
        pieces = []
        for context, image in zip(contexts, tokens, strict=True):
            view = context.full.view()
            if generation:
                pieces.append(Piece(view, markers, view.position, image))
            else:
                pieces.append(Piece(view, torch.cat([markers, image]), view.position))
            context.full.position += 1
        return self.network.run(pieces, causal=False, keep=True)


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Number of leading ids that two sequences have in common."""
    for n, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return n
    return min(len(left), len(right))
