"""SigLIP's vision transformer as BAGEL uses it: no pooling head, and one layer fewer than configured."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipEncoderLayer

from evalharness.models.bagel.config import VisionSizes


class Embeddings(nn.Module):
    """Patch embedding by a linear layer over (row, column, channel), and a learned table of positions."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.side = sizes.side
        self.patch_embedding = nn.Linear(sizes.num_channels * sizes.patch_size**2, sizes.hidden_size)
        self.position_embedding = nn.Embedding(sizes.side**2, sizes.hidden_size)

    def forward(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        table = self.position_embedding.weight.view(self.side, self.side, -1)
        positions = table[:rows, :columns].reshape(rows * columns, -1)
        out: Tensor = self.patch_embedding(patches) + positions
        return out


class Encoder(nn.Module):
    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        config = SiglipVisionConfig(
            hidden_size=sizes.hidden_size,
            intermediate_size=sizes.intermediate_size,
            num_attention_heads=sizes.num_attention_heads,
            num_hidden_layers=sizes.depth,
            image_size=sizes.image_size,
            patch_size=sizes.patch_size,
            layer_norm_eps=sizes.layer_norm_eps,
            hidden_act=sizes.hidden_act,
            attn_implementation="sdpa",
        )
        self.layers = nn.ModuleList(SiglipEncoderLayer(config) for _ in range(sizes.depth))


class VisionTransformer(nn.Module):
    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.embeddings = Embeddings(sizes)
        self.encoder = Encoder(sizes)
        self.post_layernorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)

    def forward(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        """Features of one image: ``(rows · columns, patch width)`` → ``(rows · columns, width)``."""
        x = self.embeddings(patches, rows, columns)[None]
        for layer in self.encoder.layers:
            x = layer(x, attention_mask=None)
        out: Tensor = self.post_layernorm(x[0])
        return out


class VisionModel(nn.Module):
    """The transformer under the checkpoint's parameter names."""

    def __init__(self, sizes: VisionSizes) -> None:
        super().__init__()
        self.vision_model = VisionTransformer(sizes)


def to_patches(image: Tensor, size: int) -> Tensor:
    """``(channels, height, width)`` → ``(rows · columns, size² · channels)``, each patch by row, column, channel."""
    channels, height, width = image.shape
    tiles = image.reshape(channels, height // size, size, width // size, size)
    return tiles.permute(1, 3, 2, 4, 0).reshape(-1, size**2 * channels)


def from_patches(patches: Tensor, size: int, rows: int, columns: int) -> Tensor:
    """The inverse of :func:`to_patches`."""
    tiles = patches.reshape(rows, columns, size, size, -1)
    return tiles.permute(4, 0, 2, 1, 3).reshape(-1, rows * size, columns * size)
