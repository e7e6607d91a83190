"""Converts Mask2Former state dicts between MMDetection and transformers.

The two programs implement the same network. Beyond the names, they differ in this:

- MMDetection keeps query, key and value of Swin's attention and of the decoder's self-attention in one tensor.
- MMDetection's patch merging unfolds a 2 × 2 patch channel by channel, each channel's four pixels row by row;
  transformers concatenates the four pixels column by column, each with all of its channels.
- MMDetection 2.x and 3.x name the parts of the transformer layers differently (:func:`upgrade`).

The transformers names are those of its checkpoints; its classes rename tensors as they load them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from evalharness.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

Rule = tuple[str, tuple[str, ...]]

STAGE, BLOCK = "backbone.stages.*.", "backbone.stages.*.blocks.*."
PIXELS, LAYER = "panoptic_head.pixel_decoder.", "panoptic_head.transformer_decoder.layers.*."
ENCODER, DECODER = "model.pixel_level_module.encoder.", "model.pixel_level_module.decoder."
HF_STAGE, HF_BLOCK = f"{ENCODER}encoder.layers.*.", f"{ENCODER}encoder.layers.*.blocks.*."
TRANSFORMER, HF_LAYER = "model.transformer_module.", "model.transformer_module.decoder.layers.*."
EMBEDDER = f"{TRANSFORMER}decoder.mask_predictor.mask_embedder."

RULES: tuple[Rule, ...] = (
    ("backbone.patch_embed.projection.@", (f"{ENCODER}embeddings.patch_embeddings.projection.@",)),
    ("backbone.patch_embed.norm.@", (f"{ENCODER}embeddings.norm.@",)),
    (f"{BLOCK}norm1.@", (f"{HF_BLOCK}layernorm_before.@",)),
    (f"{BLOCK}norm2.@", (f"{HF_BLOCK}layernorm_after.@",)),
    (f"{BLOCK}attn.w_msa.relative_position_bias_table", (f"{HF_BLOCK}attention.self.relative_position_bias_table",)),
    (f"{BLOCK}attn.w_msa.qkv.@", tuple(f"{HF_BLOCK}attention.self.{part}.@" for part in ("query", "key", "value"))),
    (f"{BLOCK}attn.w_msa.proj.@", (f"{HF_BLOCK}attention.output.dense.@",)),
    (f"{BLOCK}ffn.layers.0.0.@", (f"{HF_BLOCK}intermediate.dense.@",)),
    (f"{BLOCK}ffn.layers.1.@", (f"{HF_BLOCK}output.dense.@",)),
    (f"{STAGE}downsample.*.@", (f"{HF_STAGE}downsample.*.@",)),
    *((f"backbone.norm{i}.@", (f"{ENCODER}hidden_states_norms.stage{i + 1}.@",)) for i in range(4)),
    (f"{PIXELS}input_convs.*.conv.@", (f"{DECODER}input_projections.*.0.@",)),
    (f"{PIXELS}input_convs.*.gn.@", (f"{DECODER}input_projections.*.1.@",)),
    (f"{PIXELS}encoder.layers.*.self_attn.*.@", (f"{DECODER}encoder.layers.*.self_attn.*.@",)),
    (f"{PIXELS}encoder.layers.*.norms.0.@", (f"{DECODER}encoder.layers.*.self_attn_layer_norm.@",)),
    (f"{PIXELS}encoder.layers.*.norms.1.@", (f"{DECODER}encoder.layers.*.final_layer_norm.@",)),
    (f"{PIXELS}encoder.layers.*.ffn.layers.0.0.@", (f"{DECODER}encoder.layers.*.fc1.@",)),
    (f"{PIXELS}encoder.layers.*.ffn.layers.1.@", (f"{DECODER}encoder.layers.*.fc2.@",)),
    (f"{PIXELS}level_encoding.weight", (f"{DECODER}level_embed",)),
    (f"{PIXELS}lateral_convs.0.conv.@", (f"{DECODER}adapter_1.0.@",)),
    (f"{PIXELS}lateral_convs.0.gn.@", (f"{DECODER}adapter_1.1.@",)),
    (f"{PIXELS}output_convs.0.conv.@", (f"{DECODER}layer_1.0.@",)),
    (f"{PIXELS}output_convs.0.gn.@", (f"{DECODER}layer_1.1.@",)),
    (f"{PIXELS}mask_feature.@", (f"{DECODER}mask_projection.@",)),
    (f"{LAYER}self_attn.attn.in_proj_@", tuple(f"{HF_LAYER}self_attn.{part}_proj.@" for part in "qkv")),
    (f"{LAYER}self_attn.attn.out_proj.@", (f"{HF_LAYER}self_attn.out_proj.@",)),
    (f"{LAYER}cross_attn.attn.in_proj_@", (f"{HF_LAYER}cross_attn.in_proj_@",)),
    (f"{LAYER}cross_attn.attn.out_proj.@", (f"{HF_LAYER}cross_attn.out_proj.@",)),
    (f"{LAYER}norms.0.@", (f"{HF_LAYER}cross_attn_layer_norm.@",)),
    (f"{LAYER}norms.1.@", (f"{HF_LAYER}self_attn_layer_norm.@",)),
    (f"{LAYER}norms.2.@", (f"{HF_LAYER}final_layer_norm.@",)),
    (f"{LAYER}ffn.layers.0.0.@", (f"{HF_LAYER}fc1.@",)),
    (f"{LAYER}ffn.layers.1.@", (f"{HF_LAYER}fc2.@",)),
    ("panoptic_head.transformer_decoder.post_norm.@", (f"{TRANSFORMER}decoder.layernorm.@",)),
    ("panoptic_head.query_embed.weight", (f"{TRANSFORMER}queries_embedder.weight",)),
    ("panoptic_head.query_feat.weight", (f"{TRANSFORMER}queries_features.weight",)),
    ("panoptic_head.level_embed.weight", (f"{TRANSFORMER}level_embed.weight",)),
    *((f"panoptic_head.mask_embed.{2 * i}.@", (f"{EMBEDDER}{i}.0.@",)) for i in range(3)),
    ("panoptic_head.cls_embed.@", ("class_predictor.@",)),
)
"""MMDetection 3.x → transformers, with several names if MMDetection's tensor is split. ``*`` stands for one part of a
name, ``@`` for ``weight`` or ``bias``."""

MMDET_ONLY = re.compile(r"\.relative_position_index$")
"""Constants of the architecture, which transformers computes."""
TRANSFORMERS_ONLY = re.compile(r"^criterion\.|encoder\.swin\.layernorm\.")
"""The loss's weights, and a norm whose output Mask2Former does not use."""
UNUSED_NORM = f"{ENCODER}swin.layernorm."
MERGING = re.compile(r"^backbone\.stages\.\d+\.downsample\.")

IN_MEMORY = (
    (r"encoder\.swin\.(embeddings|encoder)\.", r"encoder.\1."),
    (r"\.attention\.q_proj\.", ".attention.self.query."),
    (r"\.attention\.k_proj\.", ".attention.self.key."),
    (r"\.attention\.v_proj\.", ".attention.self.value."),
    (r"\.attention\.o_proj\.", ".attention.output.dense."),
    (r"\.attention\.relative_position_bias\.", ".attention.self."),
    (r"(\.blocks\.\d+)\.mlp\.fc1\.", r"\1.intermediate.dense."),
    (r"(\.blocks\.\d+)\.mlp\.fc2\.", r"\1.output.dense."),
)
"""Names in transformers' modules → names in its checkpoints."""


def upgrade(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename MMDetection 2.x's tensors to 3.x's names, which are left as they are.

    A decoder layer's first attention is the cross-attention.
    """

    def renamed(key: str) -> str:
        if ".transformer_decoder." in key:
            key = key.replace(".attentions.0.", ".cross_attn.").replace(".attentions.1.", ".self_attn.")
        return key.replace(".attentions.0.", ".self_attn.").replace(".ffns.0.", ".ffn.")

    return {renamed(key) if key.startswith("panoptic_head.") else key: value for key, value in state.items()}


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert from MMDetection 2.x or 3.x to transformers.

    Raises:
        WeightsError: a tensor has no place in a Mask2Former with a Swin backbone.
    """
    converted: dict[str, Tensor] = {}
    for key, value in upgrade(state).items():
        if MMDET_ONLY.search(key):
            continue
        names = _to_transformers_names(key)
        tensor = _merge_by_pixel(value) if MERGING.match(key) else value
        converted |= dict(zip(names, tensor.chunk(len(names)), strict=True))
    last = converted.get(f"{ENCODER}hidden_states_norms.stage4.weight")
    if last is not None:
        converted |= {
            f"{UNUSED_NORM}weight": last.new_ones(last.shape),
            f"{UNUSED_NORM}bias": last.new_zeros(last.shape),
        }
    return {key: value.clone().contiguous() for key, value in converted.items()}


def to_mmdet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert from transformers, a checkpoint or a module's state dict, to MMDetection 3.x.

    Raises:
        WeightsError: a tensor has no place in a Mask2Former with a Swin backbone, or a part of one is missing.
    """
    import torch

    parts: dict[str, dict[int, Tensor]] = {}
    counts: dict[str, int] = {}
    for key, value in state.items():
        if not TRANSFORMERS_ONLY.search(key):
            name, index, counts[name] = _to_mmdet_name(_checkpoint_name(key))
            parts.setdefault(name, {})[index] = value
    for name, tensors in parts.items():
        if len(tensors) < counts[name]:
            raise WeightsError(f"the checkpoint holds only {len(tensors)} of the {counts[name]} parts of {name}")
    joined = {name: torch.cat([tensors[index] for index in sorted(tensors)]) for name, tensors in parts.items()}
    return {name: _merge_by_channel(value) if MERGING.match(name) else value for name, value in joined.items()}


def _to_transformers_names(key: str) -> list[str]:
    for mmdet, names in RULES:
        if match := _pattern(mmdet).fullmatch(key):
            return [_substitute(name, match.groups()) for name in names]
    raise _unknown_tensor(key)


def _to_mmdet_name(key: str) -> tuple[str, int, int]:
    """MMDetection's name of the tensor that this one is a part of, the index of the part, and the number of parts."""
    for mmdet, names in RULES:
        for index, name in enumerate(names):
            if match := _pattern(name).fullmatch(key):
                return _substitute(mmdet, match.groups()), index, len(names)
    raise _unknown_tensor(key)


def _checkpoint_name(key: str) -> str:
    for pattern, replacement in IN_MEMORY:
        key = re.sub(pattern, replacement, key)
    return key


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\*", r"([^.]+)").replace("@", "(weight|bias)"))


def _substitute(template: str, words: tuple[str, ...]) -> str:
    remaining = iter(words)
    return re.sub(r"[*@]", lambda _: next(remaining), template)


def _merge_by_pixel(tensor: Tensor) -> Tensor:
    """Reorder the last axis from (channel, row, column) to (column, row, channel)."""
    *front, width = tensor.shape
    return tensor.reshape(*front, width // 4, 2, 2).transpose(-1, -3).flatten(-3)


def _merge_by_channel(tensor: Tensor) -> Tensor:
    """Reorder the last axis from (column, row, channel) to (channel, row, column)."""
    *front, width = tensor.shape
    return tensor.reshape(*front, 2, 2, width // 4).transpose(-1, -3).flatten(-3)


def _unknown_tensor(key: str) -> WeightsError:
    return WeightsError(f"not a Mask2Former with a Swin backbone: it has no tensor {key!r}")
