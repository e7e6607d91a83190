"""The verbs over batches of contexts: read, look, write, and the velocity of a drawing. The samples' tokens are packed
behind one another and attend to their own past alone, so contexts of unlike lengths need no padding.
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
"""Pixels to a latent token, along each side."""


@dataclass(frozen=True)
class Markers:
    """Ids of the tokens that stand around texts and images."""

    text_start: int
    text_end: int
    image_start: int
    image_end: int


@dataclass
class Bagel:
    """A network, its autoencoder and its markers.

    A matrix product of other rows may come to other last bits. With ``lanes``, tokens that are written go through in
    passes of one of these numbers of rows, which ascend, filled up where samples are fewer. If a row comes to the same
    in each of them, what a sample writes does not depend on the others.
    """

    network: Network
    autoencoder: Autoencoder
    markers: Markers
    lanes: Sequence[int] = ()

    def read(self, contexts: Sequence[Context], texts: Sequence[Sequence[int]], *, newest: bool = True) -> list[Tensor]:
        """Append a text's tokens, between their markers, to each context; returns their hidden states. ``newest``: this
        text, with all that follows, is what text guidance leads to.
        """
        for context in contexts if newest else ():
            context.mark()
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
        """Append an image to each context: its latents (channels, height, width), then its patches with their rows and
        columns; either may be ``None``. ``branch``: drawings will need the texts alone as well.
        """
        if branch:
            for context in contexts:
                context.texts = context.texts or context.whole.copy()
        hidden: list[Tensor] = []
        if any(one is not None for one in latents):
            seen = [(c, self._clean(one)) for c, one in zip(contexts, latents, strict=True) if one is not None]
            hidden += self._image([c for c, _ in seen], [one for _, one in seen], drawn=True)
        if any(one is not None for one in patches):
            shown = [(c, self.network.embed_patches(*one)) for c, one in zip(contexts, patches, strict=True) if one]
            hidden += self._image([c for c, _ in shown], [one for _, one in shown], drawn=False)
        for context in contexts:
            context.mark()
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
        choose: Callable[[int, Tensor], int],
    ) -> list[list[int]]:
        """Token ids written behind each context and its opening, up to one of ``ends`` (which is included), to where
        ``done(index, ids)`` says so, or to ``limit``.

        What was written is no text of the context before :meth:`settle` makes it one.
        """
        written: list[list[int]] = [[] for _ in contexts]
        fed = {i: [self.markers.text_start, *opening] for i, opening in enumerate(openings)}
        for _ in range(limit):
            logits = self._next([(contexts[i].whole, ids) for i, ids in fed.items()])
            for i, own in zip(fed, logits, strict=True):
                written[i].append(choose(i, own))
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
        """Make a text, as it would be read, part of each context in place of the tokens ``fed`` since ``starts``
        (length and position). What both have in common is kept, not encoded again.
        """
        pairs: list[tuple[Stream, list[int]]] = []
        for context, (length, position), old, text in zip(contexts, starts, fed, texts, strict=True):
            new = self._marked(text)
            same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            same = min(same, context.whole.cache.length - length)
            context.whole.cache.cut(length + same)
            context.whole.position = position + same
            pairs.append((context.whole, new[same:]))
            if context.texts is not None:
                pairs.append((context.texts, new))
        self._append([(stream, ids) for stream, ids in pairs if ids])

    def velocity(
        self, views: Sequence[View], noisy: Sequence[Tensor], time: float, grids: Sequence[tuple[int, int]]
    ) -> list[Tensor]:
        """What leads from data to noise, (tokens, numbers) in float32, for latents drawn behind each view."""
        markers = self._image_markers()
        pieces = [
            Piece(view, markers, view.position, self.network.embed_latents(one, time, *grid))
            for view, one, grid in zip(views, noisy, grids, strict=True)
        ]
        hidden = self.network.run(pieces, causal=False, keep=False)
        out: Tensor = self.network.llm2vae(torch.cat([one[len(markers) :] for one in hidden]))
        return list(torch.split(out.float(), [len(one) for one in noisy]))

    def _marked(self, text: Sequence[int]) -> list[int]:
        return [self.markers.text_start, *text, self.markers.text_end]

    def _image_markers(self) -> Tensor:
        return self.network.embed_text([self.markers.image_start, self.markers.image_end])

    def _next(self, pairs: Sequence[tuple[Stream, Sequence[int]]]) -> list[Tensor]:
        """Append tokens of text to streams; returns the logits of what follows each."""
        size = len(pairs)
        if self.lanes:
            size = self.lanes[-1] if all(len(ids) == 1 for _, ids in pairs) else 1
        logits: list[Tensor] = []
        for start in range(0, len(pairs), size):
            some = pairs[start : start + size]
            rows = next((rows for rows in self.lanes if rows >= len(some)), 0)
            last = torch.stack([one[-1] for one in self._append(some, rows=rows)])
            filled = pad(last, (0, 0, 0, max(0, rows - len(last))))
            logits += self.network.logits(filled)[: len(last)]
        return logits

    def _append(self, pairs: Sequence[tuple[Stream, Sequence[int]]], *, rows: int = 0) -> list[Tensor]:
        """Append tokens of text to streams; returns their hidden states."""
        if not pairs:
            return []
        embedded = self.network.embed_text([token for _, ids in pairs for token in ids])
        pieces = []
        for (stream, ids), own in zip(pairs, torch.split(embedded, [len(ids) for _, ids in pairs]), strict=True):
            pieces.append(Piece(stream.view(), own, range(stream.position, stream.position + len(ids))))
            stream.position += len(ids)
        return self.network.run(pieces, causal=True, keep=True, rows=rows)

    def _clean(self, latents: Tensor) -> Tensor:
        tokens = to_patches(latents, LATENT_PATCH)
        rows, columns = (side // LATENT_PATCH for side in latents.shape[1:])
        return self.network.embed_latents(tokens, 0.0, rows, columns)

    def _image(self, contexts: Sequence[Context], tokens: Sequence[Tensor], *, drawn: bool) -> list[Tensor]:
        """Append embedded images, between their markers, at one position each."""
        markers = self._image_markers()
        pieces = []
        for context, own in zip(contexts, tokens, strict=True):
            view = context.whole.view()
            if drawn:
                pieces.append(Piece(view, markers, view.position, own))
            else:
                pieces.append(Piece(view, torch.cat([markers, own]), view.position))
            context.whole.position += 1
        return self.network.run(pieces, causal=False, keep=True)
