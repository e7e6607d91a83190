"""All of BAGEL but its autoencoder, under the names of ``ema.safetensors``, and passes over packed sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from evalharness.models.bagel.cache import Cache, View
from evalharness.models.bagel.config import Sizes
from evalharness.models.bagel.embeddings import Connector, Places, TimeEmbedder
from evalharness.models.bagel.layers import LanguageModel, Layer, Layout, qwen2_config
from evalharness.models.bagel.vision import VisionModel


@dataclass(frozen=True)
class Piece:
    """New tokens of one sequence: embeddings for the understanding expert (n, width), then those for the generation
    expert, if any; ``positions`` of all, or one that they share.
    """

    view: View
    understanding: Tensor
    positions: Sequence[int] | int
    generation: Tensor | None = None

    def __len__(self) -> int:
        return len(self.understanding) + (0 if self.generation is None else len(self.generation))


class Network(nn.Module):
    """See the module's docstring. Build it on the meta device; :mod:`loading <.loading>` gives it weights."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.language.hidden_size
        self.sizes = sizes
        self.language_model = LanguageModel(sizes.language)
        self.vit_model = VisionModel(sizes.vision)
        self.connector = Connector(sizes.vision.hidden_size, width)
        self.vit_pos_embed = Places(sizes.vision.side, width)
        self.time_embedder = TimeEmbedder(width)
        self.vae2llm = nn.Linear(sizes.latent_width, width)
        self.llm2vae = nn.Linear(width, sizes.latent_width)
        self.latent_pos_embed = Places(sizes.latent_side, width)
        self.sums = torch.float32
        """The precision of what the layers add to, whatever the weights'."""
        self._rotary: Qwen2RotaryEmbedding | None = None

    @property
    def device(self) -> torch.device:
        """Where tokens are embedded and read off; the layers between may lie elsewhere."""
        return self.llm2vae.weight.device

    def embed_text(self, ids: Sequence[int]) -> Tensor:
        """(n, width)."""
        tokens = torch.tensor(list(ids), device=self.device)
        out: Tensor = self.language_model.model.embed_tokens(tokens)
        return out.to(self.sums)

    def embed_latents(self, latents: Tensor, time: float, rows: int, columns: int) -> Tensor:
        """Latent tokens (rows · columns, numbers) at a time, 0 for clean ones → (rows · columns, width)."""
        moment: Tensor = self.time_embedder(torch.tensor([time], device=self.device))
        out: Tensor = self.vae2llm(latents) + moment + self.latent_pos_embed(rows, columns)
        return out.to(self.sums)

    def embed_patches(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        """Pixel patches (rows · columns, numbers) → (rows · columns, width)."""
        seen = self.connector(self.vit_model.vision_model(patches, rows, columns))
        out: Tensor = seen + self.vit_pos_embed(rows, columns)
        return out.to(self.sums)

    def logits(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.language_model.lm_head(hidden)
        return out.float()

    def run(self, pieces: Sequence[Piece], *, causal: bool, keep: bool, rows: int = 0) -> list[Tensor]:
        """Hidden states of each piece's tokens, (n, width). With ``keep`` they become part of the views' caches, which
        must then be views of all of them. ``rows``: pieces of text are filled up to so many.
        """
        lengths = [len(piece) for piece in pieces]
        padding = max(0, rows - sum(lengths))
        layout = _layout(pieces, causal, keep, self.device, padding)
        new = [piece.understanding for piece in pieces]
        new += [piece.generation for piece in pieces if piece.generation is not None]
        new.append(new[0].new_zeros(padding, new[0].shape[1]))
        hidden = layout.gather(self.language_model.model(torch.cat(new), self._rope(pieces, padding), layout))
        if keep:
            for piece in pieces:
                piece.view.cache.advance(len(piece))
        return list(torch.split(hidden, [*lengths, padding]))[: len(pieces)]

    def rows_alike(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Those of ``sizes``, which ascend, in which a token comes to the same bytes wherever its row stands in a pass
        of so many, and to the same as in a pass of the last of them.

        Not every device promises it. What is tried is a layer and the head, on tokens without a past.
        """
        shape = sizes[-1], self.sizes.language.hidden_size
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device, self.sums)
        return rows_alike(self._first_layer, noise, sizes)

    def _first_layer(self, x: Tensor) -> Tensor:
        layer, pieces = self.language_model.model.layers[0], [Piece(View(Cache(), 0, 0), row[None], 0) for row in x]
        assert isinstance(layer, Layer)
        cosines, sines = self._rope(pieces, 0)
        there = layer.device
        layout = _layout(pieces, causal=True, keep=False, device=self.device, padding=0)
        return self.logits(layer(x.to(there), (cosines.to(there), sines.to(there)), layout).to(self.device))

    def _rope(self, pieces: Sequence[Piece], padding: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of all positions by sequence, (n, head width), float32."""
        if self._rotary is None:
            self._rotary = Qwen2RotaryEmbedding(qwen2_config(self.sizes.language)).to(self.device)
        positions: list[int] = []
        for piece in pieces:
            positions += [piece.positions] * len(piece) if isinstance(piece.positions, int) else piece.positions
        positions += [0] * padding
        like = torch.empty(0, dtype=torch.float32, device=self.device)
        cosines, sines = self._rotary(like, torch.tensor([positions], device=self.device))
        return cosines[0], sines[0]


def rows_alike(work: Callable[[Tensor], Tensor], x: Tensor, sizes: Sequence[int]) -> tuple[int, ...]:
    """Those of ``sizes`` in which the first rows of ``x``, turned by any number, come to what they come to in all."""
    expected = work(x)
    return tuple(
        size
        for size in sizes
        if all(torch.equal(work(x.roll(by, 0)[:size]), expected.roll(by, 0)[:size]) for by in range(size))
    )


def _layout(pieces: Sequence[Piece], causal: bool, keep: bool, device: torch.device, padding: int) -> Layout:
    split = sum(len(piece.understanding) for piece in pieces)
    lengths, views = [len(piece) for piece in pieces], [piece.view for piece in pieces]
    if split == sum(lengths):
        return Layout(split + padding, lengths, views, causal, keep, padding=padding)
    order: list[Tensor] = []
    text, latent = 0, split
    for piece in pieces:
        own = len(piece.understanding)
        more = len(piece) - own
        order += [torch.arange(text, text + own), torch.arange(latent, latent + more)]
        text, latent = text + own, latent + more
    rows = torch.cat(order)
    return Layout(split, lengths, views, causal, keep, rows.to(device), rows.argsort().to(device))
