"""BAGEL without its autoencoder, with the parameter names of ``ema.safetensors``: passes over packed sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from evalharness.models.bagel.cache import Cache, View
from evalharness.models.bagel.config import Sizes
from evalharness.models.bagel.embeddings import Connector, PositionTable, TimeEmbedder
from evalharness.models.bagel.layers import LanguageModel, Layer, Layout, qwen2_config
from evalharness.models.bagel.vision import VisionModel


@dataclass(frozen=True)
class Piece:
    """New tokens of a sequence.

    Attributes:
        view: the past of the sequence.
        understanding: embeddings for the understanding expert, ``(n, width)``; they come first.
        positions: the positions of all tokens, or a single one that they share.
        generation: embeddings for the generation expert, ``(n, width)``.
    """

    view: View
    understanding: Tensor
    positions: Sequence[int] | int
    generation: Tensor | None = None

    def __len__(self) -> int:
        return len(self.understanding) + (0 if self.generation is None else len(self.generation))


class Network(nn.Module):
    """The network. It is built on the meta device; :mod:`loading <.loading>` gives it weights."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.language.hidden_size
        self.sizes = sizes
        self.language_model = LanguageModel(sizes.language)
        self.vit_model = VisionModel(sizes.vision)
        self.connector = Connector(sizes.vision.hidden_size, width)
        self.vit_pos_embed = PositionTable(sizes.vision.side, width)
        self.time_embedder = TimeEmbedder(width)
        self.vae2llm = nn.Linear(sizes.latent_width, width)
        self.llm2vae = nn.Linear(width, sizes.latent_width)
        self.latent_pos_embed = PositionTable(sizes.latent_side, width)
        self.residual_dtype = torch.float32
        """Dtype of the residual stream, independent of the weights'."""
        self._rotary: Qwen2RotaryEmbedding | None = None

    @property
    def device(self) -> torch.device:
        """Device of the embeddings and of the output; the layers may be on others."""
        return self.llm2vae.weight.device

    def embed_text(self, ids: Sequence[int]) -> Tensor:
        """Token ids → ``(n, width)``."""
        tokens = torch.tensor(list(ids), device=self.device)
        out: Tensor = self.language_model.model.embed_tokens(tokens)
        return out.to(self.residual_dtype)

    def embed_latents(self, latents: Tensor, time: float, rows: int, columns: int) -> Tensor:
        """Embed latent tokens.

        Args:
            latents: ``(rows · columns, latent width)``.
            time: time of the flow, 0 for clean latents.
            rows: rows of the grid.
            columns: columns of the grid.

        Returns:
            ``(rows · columns, width)``.
        """
        time_embedding: Tensor = self.time_embedder(torch.tensor([time], device=self.device))
        out: Tensor = self.vae2llm(latents) + time_embedding + self.latent_pos_embed(rows, columns)
        return out.to(self.residual_dtype)

    def embed_patches(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        """Pixel patches ``(rows · columns, patch width)`` → ``(rows · columns, width)``."""
        features = self.connector(self.vit_model.vision_model(patches, rows, columns))
        out: Tensor = features + self.vit_pos_embed(rows, columns)
        return out.to(self.residual_dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """``(n, width)`` → ``(n, vocabulary)``, float32."""
        out: Tensor = self.language_model.lm_head(hidden)
        return out.float()

    def run(self, pieces: Sequence[Piece], *, causal: bool, keep: bool, rows: int = 0) -> list[Tensor]:
        """Run the language model on new tokens of several sequences.

        Args:
            pieces: the new tokens.
            causal: whether a token attends only to those before it, or to all new tokens of its sequence.
            keep: whether to store the tokens in the views' caches. The views must then show all tokens of the caches.
            rows: number of rows that pieces of text are padded to.

        Returns:
            Hidden states of each piece's tokens, ``(n, width)``.
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

    def reproducible_row_counts(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Row counts at which a token's output does not depend on the other rows of the pass, bit for bit.

        No device guarantees this, so it is tested with a layer and the head, on tokens without a past.

        Args:
            sizes: candidates in ascending order; the output must also equal that at the last of them.
        """
        shape = sizes[-1], self.sizes.language.hidden_size
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device, self.residual_dtype)
        return reproducible_row_counts(self._first_layer, noise, sizes)

    def _first_layer(self, x: Tensor) -> Tensor:
        layer, pieces = self.language_model.model.layers[0], [Piece(View(Cache(), 0, 0), row[None], 0) for row in x]
        assert isinstance(layer, Layer)
        cosines, sines = self._rope(pieces, 0)
        device = layer.device
        layout = _layout(pieces, causal=True, keep=False, device=self.device, padding=0)
        return self.logits(layer(x.to(device), (cosines.to(device), sines.to(device)), layout).to(self.device))

    def _rope(self, pieces: Sequence[Piece], padding: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of all positions, sequence by sequence, ``(n, head width)``, float32."""
        if self._rotary is None:
            self._rotary = Qwen2RotaryEmbedding(qwen2_config(self.sizes.language)).to(self.device)
        positions: list[int] = []
        for piece in pieces:
            positions += [piece.positions] * len(piece) if isinstance(piece.positions, int) else piece.positions
        positions += [0] * padding
        like = torch.empty(0, dtype=torch.float32, device=self.device)
        cosines, sines = self._rotary(like, torch.tensor([positions], device=self.device))
        return cosines[0], sines[0]


def reproducible_row_counts(work: Callable[[Tensor], Tensor], x: Tensor, sizes: Sequence[int]) -> tuple[int, ...]:
    """Sizes n at which ``work`` maps the first n rows of ``x``, at any rotation, as it maps them among all rows."""
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
        text_rows = len(piece.understanding)
        latent_rows = len(piece) - text_rows
        order += [torch.arange(text, text + text_rows), torch.arange(latent, latent + latent_rows)]
        text, latent = text + text_rows, latent + latent_rows
    rows = torch.cat(order)
    return Layout(split, lengths, views, causal, keep, rows.to(device), rows.argsort().to(device))
