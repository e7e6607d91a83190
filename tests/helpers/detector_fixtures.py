"""Tiny networks with random weights, in the folders that the classes under test read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

TINY_CLIP = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
"""An architecture with CLIP's own tokenizer."""

LABELS = {0: "person", 1: "mouse", 2: "dog"}


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Mask2Former of three classes."""
    import torch
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    folder = tmp_path_factory.mktemp("detector")
    backbone = SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
        num_queries=6,
        id2label=LABELS,
        label2id={name: label for label, name in LABELS.items()},
    )
    torch.manual_seed(0)
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    Mask2FormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}, size_divisor=32).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP whose vocabulary has a word a token."""
    import open_clip
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("clip")
    words = ["[PAD]", "[UNK]", "a", "photo", "of", "object", "colored", "red", "green", "blue", "dog", "cat", "-"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special))
    model = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8},
        "text_cfg": {
            "context_length": 12,
            "vocab_size": len(words),
            "width": 16,
            "heads": 2,
            "layers": 1,
            "hf_tokenizer_name": "local",
        },
    }
    torch.manual_seed(0)
    clip = open_clip.CLIP(**model)
    save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    return folder


@pytest.fixture
def clip_architectures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Architectures by name; what a test puts in, open_clip knows besides its own or in place of one of them."""
    import open_clip

    architectures: dict[str, Any] = {}
    original = open_clip.get_model_config

    def model_config(name: str) -> Any:
        return copy.deepcopy(architectures[name]) if name in architectures else original(name)

    monkeypatch.setattr(open_clip.factory, "get_model_config", model_config)
    return architectures
