"""Embeddings of positions and of the time of a noisy latent."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

FREQUENCIES = 256


def position_table(side: int, width: int) -> Tensor:
    """Sines and cosines of the column, then of the row, for ``side`` × ``side`` positions.

    The fixed table of MAE and DiT, as BAGEL's modeling_utils.py computes it; position = row · side + column.

    Returns:
        ``(side², width)``, float32.
    """
    rates = 1 / 10000 ** (np.arange(width // 4, dtype=np.float64) / (width / 4))
    angles = np.arange(side, dtype=np.float64)[:, None] * rates
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    columns, rows = np.tile(waves, (side, 1)), np.repeat(waves, side, axis=0)
    return torch.from_numpy(np.concatenate([columns, rows], axis=1).astype(np.float32))


class PositionTable(nn.Module):
    """A fixed table of positions, stored in the checkpoint as ``pos_embed``."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.pos_embed = nn.Parameter(torch.empty(side**2, width), requires_grad=False)

    def forward(self, rows: int, columns: int) -> Tensor:
        """Entries of the upper left ``rows`` × ``columns`` positions, ``(rows · columns, width)``."""
        table = self.pos_embed.view(self.side, self.side, -1)
        return table[:rows, :columns].reshape(rows * columns, -1)


class TimeEmbedder(nn.Module):
    """Sinusoids of the time, in 0…1, through two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        """(n,) → (n, width)."""
        half = FREQUENCIES // 2
        steps = torch.arange(half, dtype=torch.float32, device=time.device)
        angles = time[:, None].float() * torch.exp(-math.log(10000) * steps / half)
        waves: Tensor = self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))
        return waves


class Connector(nn.Module):
    """Maps features from the width of the vision transformer to that of the language model."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, out)
        self.fc2 = nn.Linear(out, out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(x), approximate="tanh"))
        return out
