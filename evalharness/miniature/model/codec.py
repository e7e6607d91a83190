"""The miniature's autoencoder: a linear one, the principal components of the world's tiles.

A cell of 32 x 32 pixels becomes 256 numbers and back. Its basis is orthonormal, so white noise in the latents is
white noise in the pixels; ``SCALE`` sets how much signal stands against noise of variance one, so that what a cell
shows is decided about half-way through a drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evalharness._util.finite import check_finite
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import BACKGROUND, SIDE, SIZE
from evalharness.miniature.world.icons import CELL

SCALE = 4.0
LATENT = 256


def _background() -> NDArray[np.float32]:
    return np.tile(np.array(BACKGROUND, np.float32) / 255, CELL * CELL)


def fit(latent: int = LATENT) -> Tensor:
    """The basis, (latent, 3072) float32: the leading principal directions of all 800 tiles less the background."""
    tiles = bank().tiles.reshape(-1, CELL * CELL * 3)
    signal = tiles.astype(np.float64) / 255 - _background()
    # Fewer tiles than pixels: the eigenvectors of their 800 x 800 products give the directions.
    values, vectors = np.linalg.eigh(signal @ signal.T)
    basis = (vectors[:, ::-1][:, :latent].T @ signal) / np.sqrt(values[::-1][:latent, None])
    # The sign of an eigenvector is arbitrary: fixed here, so that every machine gets the same basis.
    signs = np.sign(basis[np.arange(latent), np.abs(basis).argmax(axis=1)])
    return torch.from_numpy((basis * signs[:, None]).astype(np.float32))


@dataclass(frozen=True)
class Codec:
    """Pixels to latents and back. ``basis`` is (latent, 3072); an empty cell is all zeros."""

    basis: Tensor

    def encode(self, pixels: Tensor) -> Tensor:
        """(batch, 128, 128, 3) uint8 → (batch, 16, latent) in the basis's precision."""
        batch = pixels.shape[0]
        cells = pixels.view(batch, SIDE, CELL, SIDE, CELL, 3).permute(0, 1, 3, 2, 4, 5).reshape(batch, SIDE * SIDE, -1)
        background = torch.from_numpy(_background()).to(self.basis)
        return (cells.to(self.basis.dtype) / 255 - background) @ self.basis.T / SCALE

    def decode(self, latents: Tensor) -> Tensor:
        """(batch, 16, latent) → (batch, 128, 128, 3) uint8.

        Raises:
            NotFiniteError: A pixel is NaN or infinite, which the cast to uint8 would hide.
        """
        batch = latents.shape[0]
        background = torch.from_numpy(_background()).to(self.basis)
        cells = (latents.to(self.basis.dtype) * SCALE) @ self.basis + background
        check_finite(cells, "the drawing's pixels")
        pixels = cells.view(batch, SIDE, SIDE, CELL, CELL, 3).permute(0, 1, 3, 2, 4, 5).reshape(batch, SIZE, SIZE, 3)
        return (pixels.clamp(0, 1) * 255).round().to(torch.uint8)


def to_pixels(image: Image.Image) -> Tensor:
    """Any image as (128, 128, 3) uint8: RGB, resized if need be."""
    rgb = image.convert("RGB")
    if rgb.size != (SIZE, SIZE):
        rgb = rgb.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(rgb))
