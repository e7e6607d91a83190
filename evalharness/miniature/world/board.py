"""The embedded world: things on a 4 x 4 board, drawn as icons.

A scene says what stands where; :func:`render` draws it. The board is 128 x 128 pixels, 16 cells of 32 x 32, at most
one thing in each. A thing without a colour of its own has the colour that is natural for its class (a banana is
yellow).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalharness.miniature.world.icons import CELL, COLORS, ICONS, icon

SIDE = 4
"""Cells a side of the board."""
CELLS = SIDE * SIDE
SIZE = SIDE * CELL
"""Side of an image in pixels."""
BACKGROUND = (233, 236, 240)
CLASSES: tuple[str, ...] = tuple(ICONS)
"""The 80 class names, in the order in which the icons are defined."""
COLOR_NAMES: tuple[str, ...] = tuple(COLORS)
PLACES = tuple(f"{column}{row}" for row in "1234" for column in "abcd")
"""The names of the cells, row by row. They are internal: no text of the world contains them."""


def natural_color(name: str) -> str:
    """The colour that a class has when nobody says otherwise."""
    return ICONS[name][1]


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: its class, its colour (``None``: the natural one), its cell (0 to 15, row by row)."""

    name: str
    color: str | None
    cell: int

    @property
    def shown(self) -> str:
        """The colour in which it is drawn."""
        return self.color or natural_color(self.name)

    @property
    def place(self) -> str:
        return PLACES[self.cell]


Scene = tuple[Thing, ...]


@cache
def tile(name: str, color: str) -> NDArray[np.uint8]:
    """A cell with a thing in it: (32, 32, 3) uint8; read only."""
    pixels = icon(name, color)
    cover = pixels[..., 3:]
    blended = pixels[..., :3] * cover * 255 + np.array(BACKGROUND, np.float32) * (1 - cover)
    out: NDArray[np.uint8] = blended.round().astype(np.uint8)
    out.flags.writeable = False
    return out


def cell_slices(cell: int) -> tuple[slice, slice]:
    """Rows and columns of a cell in the image."""
    row, column = divmod(cell, SIDE)
    return slice(row * CELL, (row + 1) * CELL), slice(column * CELL, (column + 1) * CELL)


def canvas(scene: Scene) -> NDArray[np.uint8]:
    """The scene as pixels: (128, 128, 3) uint8."""
    pixels = np.empty((SIZE, SIZE, 3), np.uint8)
    pixels[:] = BACKGROUND
    for thing in scene:
        pixels[cell_slices(thing.cell)] = tile(thing.name, thing.shown)
    return pixels


def render(scene: Scene) -> Image.Image:
    """The scene as an RGB image of 128 x 128 pixels."""
    return Image.fromarray(canvas(scene))


def mask(thing: Thing) -> NDArray[np.bool_]:
    """The pixels that a thing covers by at least a half: (128, 128) bool."""
    out = np.zeros((SIZE, SIZE), np.bool_)
    out[cell_slices(thing.cell)] = icon(thing.name, thing.shown)[..., 3] >= 0.5
    return out
