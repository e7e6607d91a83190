"""The original BAGEL program on a CPU, in a process of its own.

    python tests/helpers/original_bagel.py CHECKOUT SCRIPT [ARGUMENT ...]

runs a script that can import the original program and this module. CHECKOUT is github.com/ByteDance-Seed/Bagel at
056b5fd. Run it in an environment of its own with ``transformers==4.49.0``, ``numpy<2``, ``torch==2.14.1``, torchvision,
einops, opencv-python-headless and Pillow; no GPU is needed. The original wants FlashAttention and computes in bfloat16:
a stand-in runs PyTorch's attention sequence by sequence, and the literal casts are read as float32.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bagel_small as small
import numpy as np
import torch

FLASH_ATTENTION = "from original_bagel import flash_attn_varlen_func\n"
"""The package ``flash_attn`` as far as the original needs it."""


def copy_original(checkout: Path, folder: Path) -> None:
    """Copy what is needed of a checkout into a folder, so that it computes in float32."""
    for part in ("modeling", "data"):
        shutil.copytree(checkout / part, folder / part)
    shutil.copy(checkout / "inferencer.py", folder)
    for file in folder.glob("modeling/bagel/*.py"):
        file.write_text(file.read_text().replace("torch.bfloat16", "torch.float32"))
    (folder / "flash_attn.py").write_text(FLASH_ATTENTION)


def flash_attn_varlen_func(q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, causal):  # type: ignore[no-untyped-def]
    """The stand-in: packed (tokens, heads, width), one sequence after the other; causal from the bottom right."""
    out = torch.empty_like(q)
    for i in range(len(cu_seqlens_q) - 1):
        rows, past = slice(*cu_seqlens_q[i : i + 2].tolist()), slice(*cu_seqlens_k[i : i + 2].tolist())
        queries = q[rows].transpose(0, 1)
        keys, values = (x[past].transpose(0, 1).repeat_interleave(q.shape[1] // x.shape[1], dim=0) for x in (k, v))
        mask = torch.ones(queries.shape[1], keys.shape[1], dtype=torch.bool)
        mask = mask.tril(keys.shape[1] - queries.shape[1]) if causal else mask
        attended = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        out[rows] = attended.transpose(0, 1)
    return out


def build(llm: Mapping[str, Any], vit: Mapping[str, Any], vit_side: int, latent_side: int, ae: Any) -> Any:
    from modeling.bagel import Bagel, BagelConfig, Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig, SiglipVisionModel

    llm_config = Qwen2Config(**llm)
    llm_config.qk_norm, llm_config.tie_word_embeddings = True, False
    llm_config.layer_module = "Qwen2MoTDecoderLayer"
    vit_config = SiglipVisionConfig(**vit)
    vit_config.rope = False
    vit_config.num_hidden_layers -= 1
    config = BagelConfig(
        visual_gen=True, visual_und=True, llm_config=llm_config, vit_config=vit_config, vae_config=ae,
        vit_max_num_patch_per_side=vit_side, connector_act="gelu_pytorch_tanh", latent_patch_size=2,
        max_latent_size=latent_side,
    )  # fmt: skip
    model = Bagel(Qwen2ForCausalLM(llm_config), SiglipVisionModel(vit_config), config)
    meta = next(model.parameters()).is_meta
    model.vit_model.vision_model.embeddings.convert_conv2d_to_linear(vit_config, meta=meta)
    return model.eval()


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def fill(model: Any) -> None:
    weights = {name: torch.from_numpy(array) for name, array in small.weights(shapes(model)).items()}
    missing, surplus = model.load_state_dict(weights, strict=False)
    assert not surplus and all(name.endswith(".pos_embed") for name in missing), (missing, surplus)


def outline(model: Any) -> str:
    """A digest over the names and shapes of a state dict."""
    lines = [f"{name} {'x'.join(map(str, shape))}\n" for name, shape in sorted(shapes(model).items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class OriginalBagel:
    """The original's inferencer, with the configuration and weights of ``bagel_small``.

    ``passes`` lists the hidden states that its network has put out, ``latents`` the images before they are decoded.
    """

    def __init__(
        self, llm: Mapping[str, Any] = small.LLM, latent_side: int = small.LATENT_SIDE, steps: int = 6
    ) -> None:
        from data.data_utils import add_special_tokens
        from data.transforms import ImageTransform
        from inferencer import InterleaveInferencer
        from modeling.autoencoder import AutoEncoder, AutoEncoderParams
        from modeling.qwen2 import Qwen2Tokenizer

        params = AutoEncoderParams(
            resolution=64, in_channels=3, downsample=8, out_ch=3, scale_factor=0.3611, shift_factor=0.1159, **small.AE
        )
        self.vae = AutoEncoder(params).eval()
        fill(self.vae)
        side = small.VIT["image_size"] // small.VIT["patch_size"]
        self.model = build(llm, small.VIT, side, latent_side, params)
        fill(self.model)
        with tempfile.TemporaryDirectory() as folder:
            small.write_tokenizer(Path(folder))
            tokenizer = Qwen2Tokenizer.from_pretrained(folder)
        tokenizer, ids, added = add_special_tokens(tokenizer)
        assert added == 0, "the tokenizer has all special tokens"
        vae_transform = ImageTransform(*small.VAE_SIZES, 16)
        vit_transform = ImageTransform(*small.VIT_SIZES, 14)
        self.steps = steps
        self.inferencer = InterleaveInferencer(self.model, self.vae, tokenizer, vae_transform, vit_transform, ids)
        self.model.language_model.model.enable_taylorseer = False
        self.passes: list[torch.Tensor] = []
        self.latents: list[torch.Tensor] = []
        language, generate = self.model.language_model, self.model.generate_image
        forward = language.forward_inference

        def watched(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            self.passes.append(output.packed_query_sequence.detach().clone())
            return output

        def drawn(**kwargs: Any) -> Any:
            latents = generate(**kwargs)
            self.latents.append(latents[0].detach().clone())
            return latents

        language.forward_inference = watched
        self.model.generate_image = drawn

    def start(self) -> Any:
        return self.inferencer.init_gen_context()

    def read(self, context: Any, text: str) -> torch.Tensor:
        self.inferencer.update_context_text(text, context)
        return self.passes[-1]

    def look(self, context: Any, image: Any, seed: int, vae: bool = True, vit: bool = True) -> list[torch.Tensor]:
        before = len(self.passes)
        torch.manual_seed(seed)
        self.inferencer.update_context_image(image, context, vae=vae, vit=vit)
        return self.passes[before:]

    def write(self, context: Any, limit: int) -> str:
        text: str = self.inferencer.gen_text(context, max_length=limit, do_sample=False)
        return text

    def draw(
        self, context: Any, text: Any, images: Any, size: tuple[int, int], seed: int, **options: Any
    ) -> np.ndarray:
        torch.manual_seed(seed)
        image = self.inferencer.gen_image(
            size, context, cfg_text_precontext=text, cfg_img_precontext=images, num_timesteps=self.steps, **options
        )
        return np.asarray(image)

    def velocity(self, **inputs: Any) -> torch.Tensor:
        """The original's guided velocity; ``inputs`` are its own arguments."""
        velocity: torch.Tensor = self.model._forward_flow(**inputs)
        return velocity


def main(checkout: str, *command: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy_original(Path(checkout), Path(folder))
        path = os.pathsep.join([folder, str(Path(__file__).parent)])
        return subprocess.run([sys.executable, *command], env=os.environ | {"PYTHONPATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
