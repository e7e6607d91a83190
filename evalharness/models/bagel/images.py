"""Image conversions: to RGB on white, to whole patches, to tensors and back."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MAX_PIXELS = 14 * 14 * 9 * 1024
"""Largest number of pixels of a fitted image, as in BAGEL's data/transforms.py."""


def on_white(image: Image.Image) -> Image.Image:
    """Convert to RGB; transparent pixels become white."""
    if image.mode == "RGBA" or image.info.get("transparency") is not None:
        layered = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(layered, mask=layered.getchannel("A"))
        return white
    return image.convert("RGB")


def fitted_size(width: int, height: int, longest: int, shortest: int, stride: int) -> tuple[int, int]:
    """Width and height in multiples of ``stride``, as MaxLongEdgeMinShortEdgeResize of BAGEL's data/transforms.py.

    The longer side is at most ``longest``, and the shorter at least ``shortest`` if both are possible.

    >>> fitted_size(1920, 1080, longest=1024, shortest=512, stride=16)
    (1024, 576)
    """

    def scaled(width: int, height: int, scale: float) -> tuple[int, int]:
        sides = (round(width * scale), round(height * scale))
        return max(stride, round(sides[0] / stride) * stride), max(stride, round(sides[1] / stride) * stride)

    scale = max(min(longest / max(width, height), 1.0), shortest / min(width, height))
    new = scaled(width, height, scale)
    if new[0] * new[1] > MAX_PIXELS:
        new = scaled(*new, MAX_PIXELS / (new[0] * new[1]))
    if max(new) > longest:
        new = scaled(*new, longest / max(new))
    return new


def fit(image: Image.Image, longest: int, shortest: int, stride: int) -> Image.Image:
    """Resize to :func:`fitted_size`."""
    size = fitted_size(*image.size, longest, shortest, stride)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def to_tensor(image: Image.Image) -> Tensor:
    """RGB image → ``(3, height, width)`` in −1…1."""
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1)
    return (pixels.float() / 255 - 0.5) / 0.5


def to_image(pixels: Tensor) -> Image.Image:
    """``(3, height, width)`` in −1…1 → RGB image, truncated to 8 bits."""
    values = ((pixels.float() * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0) * 255).to(torch.uint8)
    return Image.fromarray(values.cpu().numpy())
