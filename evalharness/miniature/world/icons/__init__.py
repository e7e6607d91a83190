"""The icons of the 80 GenEval classes, drawn in code."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from evalharness.miniature.world.icons import animals, carried, food, home, street
from evalharness.miniature.world.icons.pen import CELL, COLORS, Pen

ICONS = {**animals.ICONS, **street.ICONS, **food.ICONS, **carried.ICONS, **home.ICONS}
"""Class name → (draw function, natural colour)."""


@cache
def icon(name: str, color: str) -> NDArray[np.float32]:
    """The icon of a class in a colour: (32, 32, 4) float32 in 0..1, RGB and coverage; read only."""
    pen = Pen(color)
    ICONS[name][0](pen)
    pixels = pen.finish()
    pixels.flags.writeable = False
    return pixels


__all__ = ["CELL", "COLORS", "ICONS", "icon"]
