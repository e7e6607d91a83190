"""Random boards for training the scorers: right things, slightly soft things, and things that are none.

The scorers read images that a generative model drew, so they see drawings that are shifted, soft, noisy or off in
colour and must still find the thing, and chimeras (blends, halves, shuffled and erased icons, smears), which are no
thing at all.
Everything happens on whole batches of cells; a cell is (4, 32, 32): RGB minus the background, and coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from evalharness.miniature.world.bank import Bank
from evalharness.miniature.world.board import BACKGROUND, CELLS, SIDE
from evalharness.miniature.world.icons import CELL

SHIFT, SCALE, TURN = 2.0, 0.06, 0.06
"""How far a thing may be off at most: pixels, factor, radians."""
EMPTY = 80
"""The label of a cell that holds no thing."""


@dataclass(frozen=True)
class Boards:
    """A batch of boards."""

    pixels: Tensor
    """(batch, 3, 128, 128) float in 0..1."""
    labels: Tensor
    """(batch, 16) int64: class of each cell, ``EMPTY`` for none."""
    colors: Tensor
    """(batch, 16) int64: colour of the larger part of the thing; meaningless for ``EMPTY``."""
    masks: Tensor
    """(batch, 16, 32, 32) float in 0..1: the coverage of each cell by its thing."""


class BoardSampler:
    """Draws random boards from the icon bank on ``device``."""

    def __init__(self, bank: Bank, device: str) -> None:
        self.device = torch.device(device)
        rgb = torch.from_numpy(bank.tiles.astype("float32")).permute(0, 1, 4, 2, 3) / 255
        self.background = torch.tensor(BACKGROUND, dtype=torch.float32).view(3, 1, 1) / 255
        cover = torch.from_numpy(bank.masks.astype("float32")).unsqueeze(2)
        self.icons = torch.cat((rgb - self.background, cover), 2).to(self.device)
        self.background = self.background.to(self.device)
        self.natural = torch.from_numpy(bank.natural.copy()).to(self.device)

    def boards(
        self, batch: int, roughness: float = 1.0, among: Tensor | None = None, most: int = CELLS, alike: float = 0.33
    ) -> Boards:
        """``roughness`` 0: perfect drawings and no chimeras; 1: each board is rough to a random degree.

        With ``among`` only these classes are drawn. A board holds at most ``most`` things, as often one as any number;
        a share ``alike`` of the boards is of one or two classes.
        """
        dev = self.device
        rough = torch.rand(batch, device=dev) * roughness * (torch.rand(batch, device=dev) < 0.8)
        kinds, colors = self._things(batch, among, alike)
        rank = torch.rand(batch, CELLS, device=dev).argsort(1)
        present = rank < torch.randint(0, most + 1, (batch, 1), device=dev)
        broken = ~present & (torch.rand(batch, CELLS, device=dev) < 0.4) & (roughness > 0)
        cells = torch.zeros(batch, CELLS, 4, CELL, CELL, device=dev)
        cells[present], colors[present] = self._thing(kinds[present], colors[present], _per_cell(rough, present))
        if broken.any():
            cells[broken] = self._broken(kinds[broken], colors[broken], _per_cell(rough, broken))
        labels = torch.where(present, kinds, EMPTY)
        masks = cells[:, :, 3] * present[..., None, None]
        return Boards(self._finish(cells[:, :, :3], rough), labels, colors, masks)

    def _things(self, batch: int, among: Tensor | None, alike: float) -> tuple[Tensor, Tensor]:
        """Classes and colours of all cells; on some boards only one or two classes."""
        dev = self.device
        n, m = self.icons.shape[:2]
        among = torch.arange(n, device=dev) if among is None else among
        kinds = among[torch.randint(len(among), (batch, CELLS), device=dev)]
        pair = kinds[:, :2].gather(1, torch.randint(2, (batch, CELLS), device=dev))
        kinds = torch.where(torch.rand(batch, 1, device=dev) < alike, pair, kinds)
        colors = torch.randint(m, (batch, CELLS), device=dev)
        plain = torch.rand(batch, CELLS, device=dev) < 0.3
        return kinds, torch.where(plain, self.natural[kinds], colors)

    def _thing(self, kinds: Tensor, colors: Tensor, rough: Tensor) -> tuple[Tensor, Tensor]:
        """Drawings that still show their class: moved, partly in another colour, with a faint ghost or a small hole."""
        n, dev = len(kinds), self.device
        cells = self.icons[kinds, colors]
        some = torch.rand(n, device=dev) < 0.15 * rough
        other = torch.randint(self.icons.shape[1], (n,), device=dev)
        side = half_plane(n, dev, 0.5)
        repainted = torch.lerp(cells, self.icons[kinds, other], side)
        share = (side[:, 0] * cells[:, 3]).mean((1, 2)) / cells[:, 3].mean((1, 2))
        colors = torch.where(some & (share > 0.5), other, colors)
        cells = torch.where(_wide(some), repainted, cells)
        cells = warp(cells, rough)
        ghost = self.icons[torch.randint(len(self.icons), (n,), device=dev), other]
        cells[:, :3] = torch.lerp(cells[:, :3], ghost[:, :3], _wide(0.15 * rough * torch.rand(n, device=dev)))
        hole = box(n, dev, 3, 8) * _wide((torch.rand(n, device=dev) < 0.2 * rough).float())
        cells[:, :3] = cells[:, :3] * (1 - hole)
        return cells, colors

    def _broken(self, kinds: Tensor, colors: Tensor, rough: Tensor) -> Tensor:
        """Drawings that show nothing: six kinds of chimera, one at random for each cell."""
        n, dev = len(kinds), self.device
        classes, hues = self.icons.shape[:2]
        a = warp(self.icons[kinds, colors], rough)
        other_kinds = (kinds + torch.randint(1, classes, (n,), device=dev)) % classes
        hue = torch.where(torch.rand(n, device=dev) < 0.5, colors, torch.randint(hues, (n,), device=dev))
        b = warp(self.icons[other_kinds, hue], rough)
        level = _wide(0.35 + 0.3 * torch.rand(n, device=dev))
        side = half_plane(n, dev, 0.15)
        ways = (
            torch.lerp(a, b, level),
            torch.lerp(a, b, side),
            torch.cat((shuffled(a[::2], 2), shuffled(a[1::2], 4)))[_riffle(n, dev)],
            a * half_plane(n, dev, 0.05),
            blurred(a, 8),
            smear(a),
        )
        way = torch.randint(len(ways), (n,), device=dev)
        return torch.stack(ways)[way, torch.arange(n, device=dev)]

    def _finish(self, cells: Tensor, rough: Tensor) -> Tensor:
        """Cells to boards, then what happens to a whole image: softness, light, noise."""
        batch, dev = len(cells), self.device
        board = cells.view(batch, SIDE, SIDE, 3, CELL, CELL).permute(0, 3, 1, 4, 2, 5)
        board = board.reshape(batch, 3, SIDE * CELL, SIDE * CELL)
        for _ in range(2):
            soft = F.avg_pool2d(board, 3, 1, 1, count_include_pad=False)
            board = torch.lerp(board, soft, _wide(0.6 * rough * torch.rand(batch, device=dev)))
        board = board + self.background
        spread = _wide(rough)
        light = 1 + 0.05 * spread * torch.randn(batch, 3, 1, 1, device=dev).clamp(-1.5, 1.5)
        tint = 0.025 * spread * torch.randn(batch, 3, 1, 1, device=dev).clamp(-1.5, 1.5)
        board = (board - 0.5) * light + 0.5 + tint
        coarse = F.interpolate(
            torch.randn(batch, 3, 4 * SIDE, 4 * SIDE, device=dev), size=board.shape[-2:], mode="bilinear"
        )
        board = board + spread * (0.03 * torch.randn_like(board) + 0.03 * coarse)
        return board.clamp(0, 1)


def warp(cells: Tensor, rough: Tensor) -> Tensor:
    """Shift, scale and turn each cell by up to ``SHIFT``, ``SCALE``, ``TURN``, times its roughness (n,)."""
    n, dev = len(cells), cells.device
    dx, dy, grow, turn = (torch.rand(4, n, device=dev) * 2 - 1) * rough
    angle, scale = TURN * turn, 1 + SCALE * grow
    cos, sin = scale * angle.cos(), scale * angle.sin()
    step = 2 * SHIFT / CELL
    theta = torch.stack((cos, -sin, step * dx, sin, cos, step * dy), 1).view(n, 2, 3)
    grid = F.affine_grid(theta, [n, 4, CELL, CELL], align_corners=False)
    return F.grid_sample(cells, grid, align_corners=False)


def half_plane(n: int, device: torch.device, spread: float) -> Tensor:
    """(n, 1, 32, 32): 1 on one side of a random line, which is up to ``spread`` / 2 cells off the centre, else 0."""
    angle = torch.rand(n, 1, 1, 1, device=device) * 2 * math.pi
    axis = torch.linspace(-0.5, 0.5, CELL, device=device)
    along = angle.cos() * axis.view(1, 1, 1, -1) + angle.sin() * axis.view(1, 1, -1, 1)
    offset = (torch.rand(n, 1, 1, 1, device=device) - 0.5) * spread
    return ((along - offset) * 10 + 0.5).clamp(0, 1)


def box(n: int, device: torch.device, least: int, most: int) -> Tensor:
    """(n, 1, 32, 32): 1 in a random box of ``least`` to ``most`` pixels a side, 0 elsewhere."""
    size = torch.randint(least, most + 1, (n, 2), device=device)
    at = torch.rand(n, 2, device=device) * (CELL - size)
    line = torch.arange(CELL, device=device)
    inside = (line >= at[..., None]) & (line < at[..., None] + size[..., None])
    return (inside[:, 0, :, None] & inside[:, 1, None, :]).float().unsqueeze(1)


def shuffled(cells: Tensor, parts: int) -> Tensor:
    """Each cell cut into ``parts`` x ``parts`` pieces, which change places."""
    n, c = cells.shape[:2]
    size = CELL // parts
    pieces = cells.view(n, c, parts, size, parts, size).permute(0, 2, 4, 1, 3, 5).reshape(n, parts * parts, -1)
    turn = torch.rand(n, parts * parts, device=cells.device).argsort(1)
    turn = torch.where((turn == turn.sort(1).values).float().mean(1, keepdim=True) > 0.3, turn.roll(1, 1), turn)
    pieces = pieces.gather(1, turn[..., None].expand_as(pieces))
    return pieces.view(n, parts, parts, c, size, size).permute(0, 3, 1, 4, 2, 5).reshape(n, c, CELL, CELL)


def blurred(cells: Tensor, size: int) -> Tensor:
    """Nothing left but blobs of ``size`` pixels."""
    return F.interpolate(F.avg_pool2d(cells, size), size=(CELL, CELL), mode="bilinear", align_corners=False)


def smear(cells: Tensor) -> Tensor:
    """Random blobs in the colours of the cell."""
    n = len(cells)
    paint = cells.amin((2, 3), keepdim=True) * torch.rand(n, 4, 1, 1, device=cells.device)
    where = F.interpolate(torch.rand(n, 1, 6, 6, device=cells.device), size=(CELL, CELL), mode="bilinear")
    return paint * ((where - 0.5) * 8 + 0.5).clamp(0, 1)


def _wide(x: Tensor) -> Tensor:
    return x.view(-1, 1, 1, 1)


def _per_cell(rough: Tensor, chosen: Tensor) -> Tensor:
    return rough[:, None].expand_as(chosen)[chosen]


def _riffle(n: int, device: torch.device) -> Tensor:
    """The order that undoes splitting a batch into its even and odd members."""
    line = torch.arange(n, device=device)
    return torch.cat((line[::2], line[1::2])).argsort()
