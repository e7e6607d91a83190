"""A BAGEL of a few hundred thousand parameters: its configuration, its weights, its tokenizer, its images.

The recordings in ``bagel.npz`` were made with it by the original program (``record_bagel.py``), and the tests make it
again. So it needs nothing but numpy, Pillow and safetensors, and each weight follows from its name and shape alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
MERGES = ("t h", "th e", "Ġ a", "Ġ the", "i n", "e r", "r e", "o n", "Ġ d", "o g", "Ġd og", "l e", "Ġ o", "Ġo f", "Ġ c")


def bytes_to_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary (GPT-2's)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
    return [letters[byte] for byte in range(256)]


VOCABULARY = [*bytes_to_letters(), *(merge.replace(" ", "") for merge in MERGES), *SPECIAL]

LLM: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "attention_dropout": 0.0,
    "hidden_act": "silu",
    "hidden_size": 64,
    "intermediate_size": 96,
    "max_position_embeddings": 32768,
    "max_window_layers": 3,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "sliding_window": 131072,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "vocab_size": len(VOCABULARY),
}
VIT: dict[str, Any] = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "image_size": 56,
    "patch_size": 14,
    "num_channels": 3,
    "layer_norm_eps": 1e-6,
    "hidden_act": "gelu_pytorch_tanh",
    "attention_dropout": 0.0,
}
AE = {"ch": 32, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "z_channels": 16}
LATENT_SIDE = 8
"""Of the position table of latents: images of up to 128 pixels a side."""
VAE_SIZES, VIT_SIZES = (64, 32), (56, 28)
"""Longer and shorter side of an image that is looked at."""

FULL_LLM = LLM | {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "max_window_layers": 28,
    "vocab_size": 152064,
}
FULL_VIT = VIT | {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "image_size": 980,
}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor that follows from its name and shape: as large as keeps activations near 1."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, dtype=np.float32)
    if len(shape) == 1:
        return 1 + 0.2 * noise if "norm" in name and name.endswith("weight") else 0.1 * noise
    if name.endswith(("embed_tokens.weight", "position_embedding.weight")):
        return 0.5 * noise
    scaled = noise / np.float32(np.sqrt(np.prod(shape[1:])))
    if name.endswith("lm_head.weight"):
        scaled *= 4
        scaled[VOCABULARY.index("<|im_end|>")] *= 3  # so that texts come to an end
    return scaled


def weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """All weights of a checkpoint but the fixed tables (``*.pos_embed``)."""
    return {name: weight(name, tuple(shape)) for name, shape in shapes.items() if not name.endswith(".pos_embed")}


def write_tokenizer(folder: Path) -> None:
    """Qwen2's four files, over bytes and a few merges."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = VOCABULARY[: -len(SPECIAL)]
    ids = {token: i for i, token in enumerate(VOCABULARY)}
    (folder / "vocab.json").write_text(json.dumps({token: ids[token] for token in plain}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    added = {
        str(ids[token]): {
            "content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": True,
        }
        for token in SPECIAL
    }  # fmt: skip
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def picture(number: int, width: int, height: int) -> Image.Image:
    """A smooth picture with an edge, another for each number."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    channels = [127 + 120 * np.sin((x * (1 + c) + y * (number + 1)) / 11 + c + number) for c in range(3)]
    pixels = np.stack(channels, axis=-1)
    pixels[height // 4 : height // 2, width // 3 : width // 2] = (20, 200, 40 * number % 256)
    return Image.fromarray(pixels.astype(np.uint8))
