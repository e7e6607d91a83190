"""Parts of transformers' Mask2Former with a faster ``forward``.

Each class replaces one of transformers' classes and keeps its parameters, so that checkpoints and the rest of the
network stay the same. Results differ by floating-point rounding only.

Measured on one thread: the official network needs 7.6 s instead of 11.8 s for an image of 800 × 800 pixels, and on a
CPU it is nearly all of the work of scoring. In a sweep of the embedded model, whose images have 64 × 64 pixels, it
saves only 3 % of the processor time. Stored detections were computed this way; without it their last digits change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers.models.mask2former import modeling_mask2former as original

CHUNK = 1024
"""Queries of the deformable attention per step, so that their samples stay in a core's cache."""


def speed_up(model: nn.Module, device: str) -> None:
    """Replace parts of a ``Mask2FormerForUniversalSegmentation`` in place, for inference on ``device``."""
    replacements: dict[type[nn.Module], type[nn.Module]] = {
        original.Mask2FormerMaskedAttentionDecoder: MaskedAttentionDecoder,
        nn.MultiheadAttention: WeightlessAttention,
    }
    if device == "cpu":
        replacements[original.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention] = DeformableAttention
    for module in model.modules():
        if type(module) in replacements:
            module.__class__ = replacements[type(module)]


class DeformableAttention(original.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention):
    """Multi-scale deformable attention (Zhu et al., arXiv 2010.04159) as weighted sums of table rows.

    The output of a query in a head is a weighted sum of samples, and a bilinear sample is a weighted sum of four
    neighbors. transformers samples with ``grid_sample``, which on a CPU gathers number by number and stores all samples
    before they are added; ``embedding_bag`` gathers rows of a head's width and adds them directly.
    """

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        position_embeddings: Tensor | None = None,
        reference_points: Tensor | None = None,
        spatial_shapes_list: Sequence[tuple[int, int]] = (),
        level_start_index: Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, None]:
        """Attend without a mask, as in the pixel decoder, so that a reference point is the same on all levels."""
        assert reference_points is not None
        maps = _Maps(spatial_shapes_list, self.n_heads, self.n_points)
        queries = self.with_pos_embed(hidden_states, position_embeddings)
        values = self.value_proj(encoder_hidden_states)
        sums = torch.empty_like(values)
        for image, table in enumerate(maps.tables(values)):
            parts = (queries[image], reference_points[image, :, 0], sums[image])
            for chunk, centers, out in zip(*(part.split(CHUNK) for part in parts), strict=True):
                offsets = self.sampling_offsets(chunk).unflatten(1, (-1, 2))
                weights = self.attention_weights(chunk).unflatten(1, (self.n_heads, -1)).softmax(-1).flatten(1)
                out.copy_(maps.attend(table, centers, offsets, weights))
        return self.output_proj(sums), None


class _Maps:
    """Feature maps of several sizes; an image's maps form one table with a row per position and head.

    Each map is padded with zeros for samples outside of it: one row and column before, two after, for the neighbors of
    the outermost samples. A column below stands for a sample of a query: heads x levels x points.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], heads: int, points: int) -> None:
        self.shapes, self.heads = shapes, heads
        starts, start = [], 0
        for height, width in shapes:
            starts.append(start * heads)
            start += (height + 3) * (width + 3)

        def columns(level_values: Sequence[int]) -> Tensor:
            return torch.tensor(level_values, dtype=torch.int32).repeat_interleave(points).repeat(heads)

        self.sizes = torch.stack(
            [columns([width for _, width in shapes]), columns([height for height, _ in shapes])], -1
        )
        self.below = columns([(width + 3) * heads for _, width in shapes])
        self.start = columns(starts) + torch.arange(heads, dtype=torch.int32).repeat_interleave(points * len(shapes))
        self.upper_bounds = self.sizes + 1.0

    def tables(self, values: Tensor) -> list[Tensor]:
        """A table per image, from values ``(images, positions of all maps, width)``."""
        maps = torch.split(values, [height * width for height, width in self.shapes], dim=1)
        padded = [
            F.pad(feature_map.unflatten(1, shape), (0, 0, 1, 2, 1, 2)).flatten(1, 2)
            for feature_map, shape in zip(maps, self.shapes, strict=True)
        ]
        return list(torch.cat(padded, dim=1).flatten(1).unflatten(1, (-1, values.shape[-1] // self.heads)))

    def attend(self, table: Tensor, centers: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """Weighted sum of the samples of each query and head.

        Args:
            table: table of one image, ``(rows, head width)``.
            centers: ``(queries, 2)``, x and y as fractions of width and height.
            offsets: ``(queries, columns, 2)``, x and y in pixels.
            weights: ``(queries, columns)``.

        Returns:
            ``(queries, width)``.
        """
        # x and y count from the padding: the first pixel of a map is 1.
        x, y = (
            (centers[:, axis, None] * self.sizes[:, axis])
            .add_(offsets[..., axis])
            .add_(0.5)
            .clamp_(torch.zeros(()), self.upper_bounds[:, axis])
            for axis in range(2)
        )
        rows = x.int().mul_(self.heads).add_(y.int().mul_(self.below)).add_(self.start)
        right, below = x.frac_(), y.frac_().mul_(weights)
        above = weights - below
        above_right, below_right = above * right, below * right

        def weighted_rows(rows: Tensor, weights: Tensor) -> Tensor:
            bags = len(centers) * self.heads
            return F.embedding_bag(
                rows.reshape(bags, -1), table, per_sample_weights=weights.reshape(bags, -1), mode="sum"
            )

        sums = weighted_rows(rows, above - above_right)
        sums += weighted_rows(rows + self.heads, above_right)
        sums += weighted_rows(rows.add_(self.below), below - below_right)
        sums += weighted_rows(rows + self.heads, below_right)
        return sums.view(len(centers), -1)


class MaskedAttentionDecoder(original.Mask2FormerMaskedAttentionDecoder):
    """Predicts intermediate masks only at the resolution that the next layer's attention needs.

    Predicting a mask and downscaling it are both linear, so the pixel embeddings can be downscaled instead, once per
    level in place of a hundred masks per layer.
    """

    def forward(
        self,
        inputs_embeds: Tensor,
        multi_stage_positional_embeddings: list[Tensor],
        pixel_embeddings: Tensor,
        encoder_hidden_states: list[Tensor],
        query_position_embeddings: Tensor,
        feature_size_list: list[tuple[int, int]],
        **options: Any,
    ) -> original.Mask2FormerMaskedAttentionDecoderOutput:
        """The states and masks of the last layer only, in transformers' output class."""
        coarse = [F.interpolate(pixel_embeddings, size, mode="bilinear") for size in feature_size_list]
        states = inputs_embeds
        for index, layer in enumerate(self.layers):
            level = index % self.num_feature_levels
            (states,) = layer(
                states,
                level,
                None,
                multi_stage_positional_embeddings,
                query_position_embeddings,
                encoder_hidden_states,
                encoder_attention_mask=self.attention_mask(states, coarse[level]),
            )
        final = self.layernorm(states)
        return original.Mask2FormerMaskedAttentionDecoderOutput(
            last_hidden_state=states.transpose(1, 0),
            intermediate_hidden_states=(final,),
            masks_queries_logits=(self._masks(final, pixel_embeddings),),
        )

    def _masks(self, states: Tensor, pixels: Tensor) -> Tensor:
        queries = self.mask_predictor.mask_embedder(states.transpose(0, 1))
        return torch.einsum("bqc,bchw->bqhw", queries, pixels)

    def attention_mask(self, states: Tensor, pixels: Tensor) -> Tensor:
        """Attention mask ``(images x heads, queries, positions)``, true where a query must not look.

        A query whose mask is empty attends to all positions.
        """
        unseen = self._masks(self.layernorm(states), pixels).flatten(2).sigmoid() < 0.5
        unseen &= ~unseen.all(dim=-1, keepdim=True)
        return unseen[:, None].expand(-1, self.mask_predictor.num_heads, -1, -1).flatten(0, 1)


class WeightlessAttention(nn.MultiheadAttention):
    """Does not return attention weights, which are not used; PyTorch can then use its fused kernel."""

    def forward(  # type: ignore[override]
        self, query: Tensor, key: Tensor, value: Tensor, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        return super().forward(query, key, value, **(options | {"need_weights": False}))
