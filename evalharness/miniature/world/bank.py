"""All icons as arrays, so that training assembles scenes by indexing instead of drawing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evalharness.miniature.world.board import BACKGROUND, CLASSES, COLOR_NAMES, natural_color, tile
from evalharness.miniature.world.icons import CELL, icon


@dataclass(frozen=True)
class Bank:
    """The icons of every class in every colour, in the order of ``CLASSES`` and ``COLOR_NAMES``; read only."""

    tiles: NDArray[np.uint8]
    """(80, 10, 32, 32, 3): a cell with the thing in it, on the board's background."""
    masks: NDArray[np.bool_]
    """(80, 10, 32, 32): the pixels that the thing covers by at least a half."""
    natural: NDArray[np.int64]
    """(80,): index of the natural colour of each class."""

    @property
    def digest(self) -> str:
        """SHA-256 over pixels, masks and names: what data a model was trained on."""
        sha = hashlib.sha256("\n".join((*CLASSES, *COLOR_NAMES, repr(BACKGROUND))).encode())
        sha.update(self.tiles.tobytes())
        sha.update(self.masks.tobytes())
        return sha.hexdigest()


@cache
def bank() -> Bank:
    """Draw everything once (some ten seconds)."""
    shape = (len(CLASSES), len(COLOR_NAMES), CELL, CELL)
    tiles, masks = np.empty((*shape, 3), np.uint8), np.empty(shape, np.bool_)
    for i, name in enumerate(CLASSES):
        for j, color in enumerate(COLOR_NAMES):
            tiles[i, j] = tile(name, color)
            masks[i, j] = icon(name, color)[..., 3] >= 0.5
    natural = np.array([COLOR_NAMES.index(natural_color(name)) for name in CLASSES])
    for array in (tiles, masks, natural):
        array.flags.writeable = False
    return Bank(tiles, masks, natural)
