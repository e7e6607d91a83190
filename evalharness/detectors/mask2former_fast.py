"""transformers' Mask2Former with less work for the same result: parts of its network with another ``forward``.

Each part stands in for one of transformers' classes and keeps its parameters, so that checkpoints and the rest of the
network stay as they are. What differs is the order in which floats are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers.models.mask2former import modeling_mask2former as original

CHUNK = 1024
"""Queries of the deformable attention at a time, so that their samples stay in a core's cache."""


def speed_up(model: nn.Module, device: str) -> None:
    """Exchange parts of a ``Mask2FormerForUniversalSegmentation`` in place, for inference on ``device``."""
    stand_ins: dict[type[nn.Module], type[nn.Module]] = {
        original.Mask2FormerMaskedAttentionDecoder: MaskedAttentionDecoder,
        nn.MultiheadAttention: WeightlessAttention,
    }
    if device == "cpu":
        stand_ins[original.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention] = DeformableAttention
    for module in model.modules():
        if type(module) in stand_ins:
            module.__class__ = stand_ins[type(module)]


class DeformableAttention(original.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention):
    """Multi-scale deformable attention (Zhu et al., arXiv 2010.04159) as weighted sums of a table's rows.

    A query's output in a head is a weighted sum of samples, and a bilinear sample one of four neighbours. transformers
    samples with ``grid_sample``, which on a CPU gathers number by number and writes all samples down before they are
    added; ``embedding_bag`` gathers rows of a head's width and adds them on the way.
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
        """Nothing is masked, as in the pixel decoder; so a reference point is the same on all levels."""
        assert reference_points is not None
        maps = _Maps(spatial_shapes_list, self.n_heads, self.n_points)
        queries = self.with_pos_embed(hidden_states, position_embeddings)
        values = self.value_proj(encoder_hidden_states)
        sums = torch.empty_like(values)
        for image, table in enumerate(maps.tables(values)):
            parts = (queries[image], reference_points[image, :, 0], sums[image])
            for some, centres, out in zip(*(part.split(CHUNK) for part in parts), strict=True):
                offsets = self.sampling_offsets(some).unflatten(1, (-1, 2))
                shares = self.attention_weights(some).unflatten(1, (self.n_heads, -1)).softmax(-1).flatten(1)
                out.copy_(maps.attend(table, centres, offsets, shares))
        return self.output_proj(sums), None


class _Maps:
    """Feature maps of several sizes, an image's as one table: a row a place and head.

    Each map lies in a border of zeros, where samples outside of it fall: one row and column before, two behind, for
    the neighbours of the outermost samples. Columns below are those of the samples: heads x levels x points.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], heads: int, points: int) -> None:
        self.shapes, self.heads = shapes, heads
        starts, start = [], 0
        for height, width in shapes:
            starts.append(start * heads)
            start += (height + 3) * (width + 3)

        def columns(of_levels: Sequence[int]) -> Tensor:
            return torch.tensor(of_levels, dtype=torch.int32).repeat_interleave(points).repeat(heads)

        self.sizes = torch.stack(
            [columns([width for _, width in shapes]), columns([height for height, _ in shapes])], -1
        )
        self.below = columns([(width + 3) * heads for _, width in shapes])
        self.start = columns(starts) + torch.arange(heads, dtype=torch.int32).repeat_interleave(points * len(shapes))
        self.furthest = self.sizes + 1.0

    def tables(self, values: Tensor) -> list[Tensor]:
        """From values ``(images, places of all maps, width)``."""
        maps = torch.split(values, [height * width for height, width in self.shapes], dim=1)
        bordered = [
            F.pad(one.unflatten(1, shape), (0, 0, 1, 2, 1, 2)).flatten(1, 2)
            for one, shape in zip(maps, self.shapes, strict=True)
        ]
        return list(torch.cat(bordered, dim=1).flatten(1).unflatten(1, (-1, values.shape[-1] // self.heads)))

    def attend(self, table: Tensor, centres: Tensor, offsets: Tensor, shares: Tensor) -> Tensor:
        """``(queries, width)``: for each query and head the sum of its samples by their shares.

        ``centres`` ``(queries, 2)`` are shares of width and height, ``offsets`` ``(queries, columns, 2)`` in pixels,
        ``shares`` are ``(queries, columns)``. Pixels count from the border: the first of the map is 1.
        """
        x, y = (
            (centres[:, axis, None] * self.sizes[:, axis])
            .add_(offsets[..., axis])
            .add_(0.5)
            .clamp_(torch.zeros(()), self.furthest[:, axis])
            for axis in range(2)
        )
        rows = x.int().mul_(self.heads).add_(y.int().mul_(self.below)).add_(self.start)
        right, below = x.frac_(), y.frac_().mul_(shares)
        above = shares - below
        above_right, below_right = above * right, below * right

        def add_up(rows: Tensor, weights: Tensor) -> Tensor:
            bags = (part.reshape(len(centres) * self.heads, -1) for part in (rows, weights))
            return F.embedding_bag(next(bags), table, per_sample_weights=next(bags), mode="sum")

        sums = add_up(rows, above - above_right)
        sums += add_up(rows + self.heads, above_right)
        sums += add_up(rows.add_(self.below), below - below_right)
        sums += add_up(rows + self.heads, below_right)
        return sums.view(len(centres), -1)


class MaskedAttentionDecoder(original.Mask2FormerMaskedAttentionDecoder):
    """Predicts masks before the last ones only as coarsely as the next layer's attention needs them.

    Predicting a mask and shrinking it are both linear, so it does as well to shrink the pixels' embeddings, once for
    each level in place of each layer's hundred masks.
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
        """The last layer's states and masks alone, in transformers' form."""
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
                encoder_attention_mask=self._unseen(states, coarse[level]),
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

    def _unseen(self, states: Tensor, pixels: Tensor) -> Tensor:
        """``(images x heads, queries, places)``: where a query must not look. One that would see nothing sees all."""
        unseen = self._masks(self.layernorm(states), pixels).flatten(2).sigmoid() < 0.5
        unseen &= ~unseen.all(dim=-1, keepdim=True)
        return unseen[:, None].expand(-1, self.mask_predictor.num_heads, -1, -1).flatten(0, 1)


class WeightlessAttention(nn.MultiheadAttention):
    """Does not return the attention's weights, which nobody reads; without them PyTorch takes its fused kernel."""

    def forward(  # type: ignore[override]
        self, query: Tensor, key: Tensor, value: Tensor, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        return super().forward(query, key, value, **(options | {"need_weights": False}))
