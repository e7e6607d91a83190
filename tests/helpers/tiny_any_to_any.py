"""Janus and Emu3 of a few thousand random parameters, with processors that need no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}:{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def save_janus(folder: Path) -> Path:
    """A Janus that draws 16 × 16 pixels by 4 × 4 tokens."""
    import torch
    from transformers import JanusConfig, JanusForConditionalGeneration, JanusImageProcessor, JanusProcessor

    special = {"image_token": "<image_placeholder>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    words = _tokenizer(special)
    ids = {name: words.convert_tokens_to_ids(token) for name, token in special.items()}
    torch.manual_seed(0)
    config = JanusConfig(
        text_config={
            "model_type": "llama", "vocab_size": len(words), "hidden_size": 16, "intermediate_size": 16,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512,
            "pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
        },
        vision_config={
            "image_size": 16, "patch_size": 4, "num_image_tokens": 16, "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "mlp_ratio": 1.0, "projection_dim": 16, "depth": 1,
        },
        vq_config={
            "embed_dim": 4, "num_embeddings": 32, "latent_channels": 32, "base_channels": 32, "num_patches": 4,
            "channel_multiplier": [1, 1, 1], "num_res_blocks": 1, "projection_dim": 16, "image_token_embed_dim": 16,
        },
        image_token_id=ids["image_token"],
    )  # fmt: skip
    network = JanusForConditionalGeneration(config)
    _sharpen(network.model.generation_head, network.model.language_model.layers)
    network.generation_config.guidance_scale = 5.0
    network.generation_config.generation_kwargs = {"boi_token_id": ids["boi_token"]}
    for name in ("pad", "bos", "eos"):
        setattr(network.generation_config, f"{name}_token_id", getattr(words, f"{name}_token_id"))
    network.save_pretrained(folder)
    images = JanusImageProcessor(size={"height": 16, "width": 16}, min_size=4)
    template = TEMPLATE.replace("IMAGE", "<image_placeholder>")
    JanusProcessor(images, words, chat_template=template, num_image_tokens=16).save_pretrained(folder)
    return folder


def save_emu3(folder: Path) -> Path:
    """An Emu3 that draws 32 × 32 pixels by 4 × 4 tokens if it is asked for 1,024 of them."""
    import torch
    from transformers import Emu3Config, Emu3ForConditionalGeneration, Emu3ImageProcessor, Emu3Processor

    special = {
        "image_token": "<image>", "boi_token": "<|image start|>", "eoi_token": "<|image end|>",
        "image_wrapper_token": "<|image token|>", "eof_token": "<|extra_201|>", "eol_token": "<|extra_200|>",
    }  # fmt: skip
    words = _tokenizer(special, [f"<|visual token {number:06d}|>" for number in range(32)])
    torch.manual_seed(0)
    config = Emu3Config(
        text_config={
            "vocab_size": len(words), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512,
            "pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
        },
        vq_config={
            "codebook_size": 32, "embed_dim": 4, "latent_channels": 4, "base_channels": 32, "num_res_blocks": 1,
            "channel_multiplier": [1, 1, 1, 1], "hidden_size": 32, "attn_resolutions": [],
            "temporal_downsample_factor": 1,
        },
        vocabulary_map=words.get_vocab(),
    )  # fmt: skip
    network = Emu3ForConditionalGeneration(config)
    _sharpen(network.lm_head, network.model.text_model.layers)
    for name in ("pad", "bos", "eos"):
        setattr(network.generation_config, f"{name}_token_id", getattr(words, f"{name}_token_id"))
    network.save_pretrained(folder)
    images = Emu3ImageProcessor(min_pixels=256, max_pixels=1024)
    Emu3Processor(images, words, chat_template=TEMPLATE.replace("IMAGE", "<image>")).save_pretrained(folder)
    return folder


def _sharpen(*modules: Any) -> None:
    """Make the matrices larger, so that what comes next depends on what came before."""
    for module in modules:
        for weight in module.parameters():
            if weight.ndim > 1:
                weight.data *= 20


def _tokenizer(special: dict[str, str], more: list[str] | None = None) -> Any:
    """Bytes, and special tokens by name."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokens, bos_token="<s>", eos_token="</s>", pad_token="<pad>", extra_special_tokens=special
    )
    words.add_tokens(more or [], special_tokens=True)
    return words
