"""The FLUX.1 autoencoder: diffusers' class, with the weights' original names."""

from __future__ import annotations

import re
from typing import Any, cast

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

SCALE, SHIFT = 0.3611, 0.1159
"""A latent is SCALE · (z − SHIFT), z being a sample of the posterior."""
DOWN = 8
"""Pixels per latent along each side."""

_PARTS = (
    (r"^(\w+)\.conv_norm_out\.", r"\1.norm_out."),
    (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
    (r"\.mid_block\.attentions\.0\.group_norm\.", ".mid.attn_1.norm."),
    (r"\.mid_block\.attentions\.0\.to_([qkv])\.", r".mid.attn_1.\1."),
    (r"\.mid_block\.attentions\.0\.to_out\.0\.", ".mid.attn_1.proj_out."),
    (r"\.down_blocks\.(\d+)\.resnets\.(\d+)\.", r".down.\1.block.\2."),
    (r"\.down_blocks\.(\d+)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.(\d+)\.resnets\.(\d+)\.", r".up.\1.block.\2."),
    (r"\.up_blocks\.(\d+)\.upsamplers\.0\.", r".up.\1.upsample."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
)
"""diffusers' parameter names → the original ones, which count the decoder's blocks from the end."""


class Autoencoder(nn.Module):
    """Encodes and decodes single images in float32."""

    def __init__(self, channels: int, latent_channels: int) -> None:
        """Build the autoencoder; ``channels`` is the width of its first convolution, 128 as published."""
        super().__init__()
        self.inner = AutoencoderKL(
            in_channels=3,
            out_channels=3,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=tuple(channels * factor for factor in (1, 2, 4, 4)),
            layers_per_block=2,
            latent_channels=latent_channels,
            norm_num_groups=32,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )

    def encode(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """Sample latents from the posterior.

        Args:
            pixels: ``(3, height, width)`` in −1…1.
            noise: standard normal noise of the shape of the result.

        Returns:
            ``(channels, height / 8, width / 8)``.
        """
        mean, log_variance = self.inner.encoder(pixels[None])[0].chunk(2)
        return cast(Tensor, SCALE * (mean + torch.exp(0.5 * log_variance) * noise - SHIFT))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents ``(channels, height / 8, width / 8)`` → pixels ``(3, height, width)`` in about −1…1."""
        return cast(Tensor, self.inner.decoder((latents / SCALE + SHIFT)[None])[0])

    def published_names(self) -> dict[str, str]:
        """Name of each weight in ``ae.safetensors`` → its name here."""
        return {published_name(name.removeprefix("inner.")): name for name in self.state_dict()}


def published_name(name: str) -> str:
    """The original name of one of diffusers' weights.

    >>> published_name("decoder.up_blocks.0.resnets.2.conv1.weight")
    'decoder.up.3.block.2.conv1.weight'
    """
    for pattern, replacement in _PARTS:
        name = re.sub(pattern, replacement, name)
    return re.sub(r"\.up\.(\d+)\.", lambda match: f".up.{3 - int(match[1])}.", name)


def as_linear(tensor: Tensor, shape: Any) -> Tensor:
    """Reshape a 1 × 1 convolution to ``shape``; the original stores the attention's linear layers that way."""
    return tensor.reshape(shape) if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) and len(shape) == 2 else tensor
