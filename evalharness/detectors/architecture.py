"""A Mask2Former's configs: transformers' derived from tensors, and MMDetection's derived from transformers'."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalharness.detectors.mmdet_pipeline import MAX_INSTANCES
from evalharness.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

Json = Mapping[str, Any]

LEVELS, POINTS = 3, 4
"""Feature levels and sampling points of the pixel decoder's deformable attention; both programs fix them."""
FIXED = {
    "activation_function": "relu",
    "pre_norm": False,
    "enforce_input_projection": False,
    "common_stride": 4,
    "feature_strides": [4, 8, 16, 32],
}
FIXED_BACKBONE = {
    "model_type": "swin",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "use_absolute_embeddings": False,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
"""Values that MMDetection's network has built in; other values describe another network."""

PREPROCESSING = {
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "size_divisor": 32,
}
"""The test pipeline of MMDetection's COCO configs, in transformers' terms."""


def transformers_config(state: Mapping[str, Tensor], classes: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Derive the arguments of ``SwinConfig`` and of ``Mask2FormerConfig``.

    Args:
        state: tensors under MMDetection 3.x's names.
        classes: GenEval's class names in the order of the labels.

    Raises:
        WeightsError: tensors are missing, or there is not one name for each class.
    """
    pixels, decoder = "panoptic_head.pixel_decoder", "panoptic_head.transformer_decoder"
    try:
        tables = [_bias_table(state, stage) for stage in range(4)]
        dim, _, patch, _ = state["backbone.patch_embed.projection.weight"].shape
        swin = {
            "embed_dim": dim,
            "patch_size": patch,
            "depths": [_count(state, rf"backbone\.stages\.{stage}\.blocks\.(\d+)\.") for stage in range(4)],
            "num_heads": [heads for _, heads in tables],
            "window_size": (math.isqrt(tables[0][0]) + 1) // 2,
            "mlp_ratio": state["backbone.stages.0.blocks.0.ffn.layers.0.0.weight"].shape[0] / dim,
            "qkv_bias": "backbone.stages.0.blocks.0.attn.w_msa.qkv.bias" in state,
            "out_features": FIXED_BACKBONE["out_features"],
        }
        offsets = state[f"{pixels}.encoder.layers.0.self_attn.sampling_offsets.weight"].shape[0]
        queries, hidden = state["panoptic_head.query_feat.weight"].shape
        labels = state["panoptic_head.cls_embed.weight"].shape[0] - 1
        head = {
            "feature_size": state[f"{pixels}.mask_feature.weight"].shape[1],
            "mask_feature_size": state[f"{pixels}.mask_feature.weight"].shape[0],
            "hidden_dim": hidden,
            "encoder_feedforward_dim": state[f"{pixels}.encoder.layers.0.ffn.layers.0.0.weight"].shape[0],
            "encoder_layers": _count(state, rf"{re.escape(pixels)}\.encoder\.layers\.(\d+)\."),
            # transformers counts the prediction before the first layer.
            "decoder_layers": _count(state, rf"{re.escape(decoder)}\.layers\.(\d+)\.") + 1,
            "dim_feedforward": state[f"{decoder}.layers.0.ffn.layers.0.0.weight"].shape[0],
            "num_attention_heads": offsets // (2 * LEVELS * POINTS),
            "num_queries": queries,
            "id2label": dict(enumerate(classes)),
            "label2id": {name: label for label, name in enumerate(classes)},
        }
    except KeyError as error:
        raise WeightsError(f"not a Mask2Former with a Swin backbone: tensor {error.args[0]!r} is missing") from None
    if len(classes) != labels:
        raise WeightsError(f"the checkpoint tells {labels} classes apart, but names {len(classes)}")
    return swin, head


def _bias_table(state: Mapping[str, Tensor], stage: int) -> tuple[int, int]:
    """Shape of a relative position bias table: (2 window - 1)² rows and a column per head."""
    rows, heads = state[f"backbone.stages.{stage}.blocks.0.attn.w_msa.relative_position_bias_table"].shape
    return rows, heads


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Number of layers, from the highest index that ``pattern`` captures in a tensor's name."""
    indices = {int(match[1]) for key in state if (match := re.match(pattern, key))}
    return max(indices, default=-1) + 1


def mmdet_config(config: Json, preprocessing: Json) -> dict[str, Any]:
    """Translate a transformers folder's two JSON files to MMDetection 3.x's ``model`` and ``test_pipeline``.

    Raises:
        WeightsError: MMDetection has no such network.
    """
    try:
        _require_fixed(config, FIXED)
        _require_fixed(config["backbone_config"], FIXED_BACKBONE)
        return {"model": _model(config, preprocessing), "test_pipeline": _pipeline(preprocessing)}
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"config.json or preprocessor_config.json cannot be understood: {error!r}") from None


def _require_fixed(config: Json, fixed: Json) -> None:
    for key, value in fixed.items():
        if config.get(key, value) != value:
            raise WeightsError(f"config.json: MMDetection's Mask2Former has no {key} {config[key]!r}, only {value!r}")


def _model(config: Json, preprocessing: Json) -> dict[str, Any]:
    scale = 1 / preprocessing["rescale_factor"]
    classes = len(config["id2label"])
    return {
        "type": "Mask2Former",
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [scale * value for value in preprocessing["image_mean"]],
            "std": [scale * value for value in preprocessing["image_std"]],
            "bgr_to_rgb": True,
            "pad_size_divisor": max(int(preprocessing.get("size_divisor") or 0), 1),
        },
        "backbone": _backbone(config["backbone_config"]),
        "panoptic_head": _head(config),
        "panoptic_fusion_head": {
            "type": "MaskFormerFusionHead",
            "num_things_classes": classes,
            "num_stuff_classes": 0,
            "loss_panoptic": None,
        },
        "test_cfg": {
            "panoptic_on": False,
            "instance_on": True,
            "max_per_image": min(MAX_INSTANCES, classes * config["num_queries"]),
        },
    }


def _backbone(swin: Json) -> dict[str, Any]:
    return {
        "type": "SwinTransformer",
        "embed_dims": swin["embed_dim"],
        "patch_size": swin["patch_size"],
        "depths": swin["depths"],
        "num_heads": swin["num_heads"],
        "window_size": swin["window_size"],
        "mlp_ratio": int(swin["mlp_ratio"]),
        "qkv_bias": swin["qkv_bias"],
        "out_indices": [0, 1, 2, 3],
    }


def _head(config: Json) -> dict[str, Any]:
    width, heads = config["hidden_dim"], config["num_attention_heads"]
    positions = {"num_feats": width // 2, "normalize": True}
    attention = {"embed_dims": width, "num_heads": heads, "dropout": 0.0, "batch_first": True}
    deformable = attention | {"num_levels": LEVELS, "num_points": POINTS}
    classes = len(config["id2label"])
    return {
        "type": "Mask2FormerHead",
        "in_channels": [config["backbone_config"]["embed_dim"] * 2**stage for stage in range(4)],
        "strides": FIXED["feature_strides"],
        "feat_channels": config["feature_size"],
        "out_channels": config["mask_feature_size"],
        "num_things_classes": classes,
        "num_stuff_classes": 0,
        "num_queries": config["num_queries"],
        "num_transformer_feat_level": LEVELS,
        "pixel_decoder": {
            "type": "MSDeformAttnPixelDecoder",
            "num_outs": LEVELS,
            "norm_cfg": {"type": "GN", "num_groups": 32},
            "act_cfg": {"type": "ReLU"},
            "encoder": {
                "num_layers": config["encoder_layers"],
                "layer_cfg": {
                    "self_attn_cfg": deformable,
                    "ffn_cfg": _feed_forward(width, config["encoder_feedforward_dim"]),
                },
            },
            "positional_encoding": positions,
        },
        "positional_encoding": positions,
        "transformer_decoder": {
            "return_intermediate": True,
            "num_layers": config["decoder_layers"] - 1,
            "layer_cfg": {
                "self_attn_cfg": attention,
                "cross_attn_cfg": attention,
                "ffn_cfg": _feed_forward(width, config["dim_feedforward"]),
            },
        },
        "loss_cls": {"type": "CrossEntropyLoss", "class_weight": [1.0] * classes + [0.1]},
    }


def _feed_forward(width: int, inner: int) -> dict[str, Any]:
    return {"embed_dims": width, "feedforward_channels": inner, "num_fcs": 2, "act_cfg": {"type": "ReLU"}}


def _pipeline(preprocessing: Json) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"type": "LoadImageFromFile"}]
    size = {key: value for key, value in preprocessing["size"].items() if value}
    if preprocessing.get("do_resize", True):
        keep_ratio = "shortest_edge" in size
        edges = ("longest_edge", "shortest_edge") if keep_ratio else ("width", "height")
        steps.append({"type": "Resize", "scale": tuple(size[edge] for edge in edges), "keep_ratio": keep_ratio})
    return [*steps, {"type": "PackDetInputs", "meta_keys": ["ori_shape", "img_shape", "scale_factor"]}]
