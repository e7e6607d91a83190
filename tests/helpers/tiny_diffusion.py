"""The parts of a Stable Diffusion of a few thousand random parameters, and a tokenizer that needs no download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parts(folder: Path, in_channels: int = 4) -> dict[str, Any]:
    """What a pipeline of diffusers is made of; ``folder`` takes the tokenizer's files."""
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    words = _tokenizer(folder)
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=16, bos_token_id=188, eos_token_id=189, pad_token_id=189,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=in_channels, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=16,
        attention_head_dim=2, norm_num_groups=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    return {
        "vae": vae, "text_encoder": CLIPTextModel(text), "tokenizer": words, "unet": unet, "safety_checker": None,
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, steps_offset=1), "feature_extractor": None,
        "requires_safety_checker": False,
    }  # fmt: skip


def save_painter(folder: Path, words: Path) -> Path:
    """Save a Stable Diffusion in the layout of a real one; ``words`` takes its tokenizer's files meanwhile."""
    import diffusers

    diffusers.StableDiffusionPipeline(**parts(words)).save_pretrained(folder, safe_serialization=True)
    return folder


def save_editor(folder: Path, words: Path) -> Path:
    """The same of an InstructPix2Pix."""
    import diffusers

    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline(**parts(words, in_channels=8), image_encoder=None)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _tokenizer(folder: Path) -> Any:
    """Letters only: any text is so many tokens."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
