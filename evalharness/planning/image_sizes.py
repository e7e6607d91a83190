"""How large images will be that are not drawn yet."""

from __future__ import annotations

from evalharness.api.model import Interleaver, Model

BYTES_PER_PIXEL = 2
"""Approximate size of the PNG file of a photograph."""


def canvas_pixels(model: Model) -> int:
    """Pixels of what a model draws on; 0 if it does not say."""
    blank = model.blank() if isinstance(model, Interleaver) else None
    return 0 if blank is None else blank.width * blank.height
