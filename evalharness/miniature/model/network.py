"""The miniature's network: one transformer over text tokens, canvas tokens and noisy canvas tokens.

Text is causal; the tokens of a canvas see each other and what came before. All of them share the position of the canvas
in the sequence; row and column turn part of their queries and keys further (2-D rotary positions). A canvas enters as
latents (a linear autoencoder's, one token a cell). A drawing starts from noise and is solved by rectified flow; the
network predicts the clean latents (x-prediction) and, for every cell, how much of the last canvas that it looked at to
keep.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

TEXT, CLEAN, NOISY = 0, 1, 2
"""Kinds of token."""
NO_CELL = -1
"""The cell of a text token."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. ``cells`` tokens a canvas, each of ``latent`` numbers."""

    vocabulary: int
    width: int = 192
    depth: int = 8
    heads: int = 6
    latent: int = 256
    cells: int = 16
    rope_base: float = 1000.0
    cell_rope_base: float = 10.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on (batch, heads, length, head width); cos and sin are (batch, 1, length, head width / 2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Norm(nn.RMSNorm):
    """RMS norm that stays in the precision of its input, which keeps the fused kernel under autocast."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Block(nn.Module):
    """Pre-norm attention with normalised queries and keys, then a gated MLP."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = Norm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = Norm(width // config.heads)
        self.k_norm = Norm(width // config.heads)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_norm = Norm(width)
        hidden = width * 8 // 3 // 16 * 16
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """``mask`` is (batch, 1, length, past length + length), True where a query sees a key. Also returns the new
        keys, values.
        """
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x)).chunk(3, dim=-1)
        )
        q, k = rotate(self.q_norm(q), cos, sin), rotate(self.k_norm(k), cos, sin)
        # Spelled out: at these lengths it is several times as fast on a CPU as the fused kernel's backward pass.
        q = q * q.shape[-1] ** -0.5
        scores = q @ k.transpose(-1, -2)
        if past is not None:  # keys and values of before stay where they are: to copy them would take the longest
            scores = torch.cat([q @ past[0].transpose(-1, -2), scores], dim=-1)
        seen = scores.masked_fill(~mask, -1e4).softmax(dim=-1).to(v.dtype)
        if past is None:
            seen = seen @ v
        else:
            room = past[1].shape[2]
            seen = seen[..., :room] @ past[1] + seen[..., room:] @ v
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up), (k, v)


class Network(nn.Module):
    """See the module's docstring. All methods are batched; shapes are given where they are not obvious."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.words = nn.Embedding(config.vocabulary, width)
        self.clean_in = nn.Linear(config.latent, width)
        self.noisy_in = nn.Linear(config.latent, width)
        self.state_in = nn.Linear(config.latent, width)
        self.cells = nn.Embedding(config.cells, width)
        self.kinds = nn.Embedding(3, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = Norm(width)
        self.to_latent = nn.Linear(width, config.latent)
        self.to_keep = nn.Linear(width, 1)
        self.apply(self._init)
        for name, parameter in self.named_parameters():
            if name.endswith((".out.weight", ".down.weight")):
                nn.init.normal_(parameter, std=0.02 / (2 * config.depth) ** 0.5)

    @staticmethod
    def _init(module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def embed_text(self, ids: Tensor) -> Tensor:
        """(batch, length) ids → (batch, length, width)."""
        out: Tensor = self.words(ids) + self.kinds.weight[TEXT]
        return out

    def embed_clean(self, latents: Tensor) -> Tensor:
        """(batch, cells, latent) of an image that is looked at."""
        out: Tensor = self.clean_in(latents) + self.cells.weight + self.kinds.weight[CLEAN]
        return out

    def embed_noisy(self, latents: Tensor, state: Tensor, time: Tensor) -> Tensor:
        """(batch, cells, latent) at noise level ``time`` (batch,), with the clean latents of the last canvas,
        ``state``.
        """
        exact = torch.promote_types(latents.dtype, torch.float32)
        frequencies = torch.exp(torch.arange(32, device=time.device, dtype=exact) * (-6.9 / 31)) * 1000.0
        angles = time[:, None].to(exact) * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(latents.dtype)
        at = self.time(waves)[:, None]
        out: Tensor = self.noisy_in(latents) + self.state_in(state) + self.cells.weight + at + self.kinds.weight[NOISY]
        return out

    def run(
        self,
        x: Tensor,
        positions: Tensor,
        cells: Tensor,
        mask: Tensor,
        past: list[tuple[Tensor, Tensor]] | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The blocks over embedded tokens; also returns new keys and values.

        ``positions`` (batch, length); ``cells`` (batch, length): of canvas tokens, :data:`NO_CELL` for text; ``mask``
        as in :class:`Block`.
        """
        exact = torch.promote_types(x.dtype, torch.float32)
        angles = self._angles(positions, cells, exact)[:, None]
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        cache = []
        for i, block in enumerate(self.blocks):
            x, new = block(x, cos, sin, mask, None if past is None else past[i])
            cache.append(new)
        return self.norm(x), cache

    def _angles(self, positions: Tensor, cells: Tensor, exact: torch.dtype) -> Tensor:
        """(batch, length, half the head width): rotation of each pair of numbers.

        All pairs turn with the position in the sequence. The slower half of them also turns with row and column of a
        canvas token: differences of positions hardly turn these.
        """
        half = self.config.width // self.config.heads // 2
        quarter = half // 4
        steps = torch.arange(half, device=positions.device, dtype=exact)
        angles = positions[..., None].to(exact) * self.config.rope_base ** (-steps / half)
        side = math.isqrt(self.config.cells)
        on_canvas = cells != NO_CELL
        row, column = (
            torch.where(on_canvas, number, 0)[..., None].to(exact) for number in (cells // side, cells % side)
        )
        turns = self.config.cell_rope_base ** (-steps[:quarter] / quarter)
        still = torch.zeros_like(angles[..., : half - 2 * quarter])
        return angles + torch.cat([still, row * turns, column * turns], dim=-1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits, tied to the embedding."""
        return F.linear(hidden, self.words.weight)

    def latents(self, hidden: Tensor, state: Tensor) -> Tensor:
        """Predicted clean latents of noisy tokens: a learned blend, for every cell, of the last canvas and a new
        drawing.
        """
        keep = torch.sigmoid(self.to_keep(hidden))
        out: Tensor = keep * state + (1 - keep) * self.to_latent(hidden)
        return out
