"""Record what the original BAGEL program computes, for ``test_bagel_parity.py``.

    python tests/models/bagel/record_bagel.py CHECKOUT tests/models/bagel/bagel.npz

CHECKOUT is github.com/ByteDance-Seed/Bagel at 056b5fd. Run it in an environment of its own with
``transformers==4.49.0``, ``numpy<2``, ``torch==2.14.1``, torchvision, einops, opencv-python-headless and Pillow; no GPU
is needed. The original wants FlashAttention and computes in bfloat16: a stand-in runs PyTorch's attention sequence by
sequence, and the literal casts are read as float32. Its configuration and weights are those of ``bagel_small.py``. Only
arrays and texts are kept.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.machinery
import json
import shutil
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import bagel_small as small
import numpy as np
import torch

RECORD: dict[str, np.ndarray] = {}
PROMPTS = ("a photo of the dog", "three red cubes on top of a cat, in the rain", "one", "blue")
TIMES = (1.0, 0.62, 0.07)
SIZES = ((64, 48), (48, 64), (64, 64), (32, 48))
"""Height and width of the drawing after each prompt."""
STEPS = 6


def flash_attn_varlen_func(q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, causal):  # type: ignore[no-untyped-def]
    """The stand-in: packed (tokens, heads, width), one sequence after the other; causal from the bottom right."""
    out = torch.empty_like(q)
    for i in range(len(cu_seqlens_q) - 1):
        rows, past = slice(*cu_seqlens_q[i : i + 2].tolist()), slice(*cu_seqlens_k[i : i + 2].tolist())
        one = q[rows].transpose(0, 1)
        keys, values = (x[past].transpose(0, 1).repeat_interleave(q.shape[1] // x.shape[1], dim=0) for x in (k, v))
        mask = torch.ones(one.shape[1], keys.shape[1], dtype=torch.bool)
        mask = mask.tril(keys.shape[1] - one.shape[1]) if causal else mask
        out[rows] = torch.nn.functional.scaled_dot_product_attention(one, keys, values, attn_mask=mask).transpose(0, 1)
    return out


def import_original(checkout: Path) -> None:
    """Put a copy of the checkout that computes in float32 on the import path."""
    place = Path(tempfile.mkdtemp()) / "original"
    for part in ("modeling", "data"):
        shutil.copytree(checkout / part, place / part)
    shutil.copy(checkout / "inferencer.py", place)
    for file in place.glob("modeling/bagel/*.py"):
        file.write_text(file.read_text().replace("torch.bfloat16", "torch.float32"))
    stand_in = types.ModuleType("flash_attn")
    stand_in.__spec__ = importlib.machinery.ModuleSpec("flash_attn", None)
    stand_in.flash_attn_varlen_func = flash_attn_varlen_func  # type: ignore[attr-defined]
    sys.modules["flash_attn"] = stand_in
    sys.path.insert(0, str(place))


def build(llm: dict[str, Any], vit: dict[str, Any], vit_side: int, latent_side: int, ae: Any) -> Any:
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
    made = {name: torch.from_numpy(array) for name, array in small.weights(shapes(model)).items()}
    missing, surplus = model.load_state_dict(made, strict=False)
    assert not surplus and all(name.endswith(".pos_embed") for name in missing), (missing, surplus)


def outline(model: Any) -> str:
    """A digest over the names and shapes of a state dict."""
    lines = [f"{name} {'x'.join(map(str, shape))}\n" for name, shape in sorted(shapes(model).items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Recorder:
    """The original's inferencer, and what passes through its network."""

    def __init__(self) -> None:
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
        self.model = build(small.LLM, small.VIT, side, small.LATENT_SIDE, params)
        fill(self.model)
        with tempfile.TemporaryDirectory() as folder:
            small.write_tokenizer(Path(folder))
            tokenizer = Qwen2Tokenizer.from_pretrained(folder)
        tokenizer, ids, added = add_special_tokens(tokenizer)
        assert added == 0, "the tokenizer has all special tokens"
        vae_transform = ImageTransform(*small.VAE_SIZES, 16)
        vit_transform = ImageTransform(*small.VIT_SIZES, 14)
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

    def draw(self, context: Any, text: Any, images: Any, size: tuple[int, int], seed: int, **how: Any) -> np.ndarray:
        torch.manual_seed(seed)
        image = self.inferencer.gen_image(
            size, context, cfg_text_precontext=text, cfg_img_precontext=images, num_timesteps=STEPS, **how
        )
        return np.asarray(image)


def keep(name: str, value: Any) -> None:
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    RECORD[name] = array.astype(np.float32) if array.dtype == np.float64 else array


def keep_text(name: str, text: str) -> None:
    RECORD[name] = np.asarray(json.dumps(text))  # numpy drops null characters from the end of a string


def record_reading(original: Recorder) -> None:
    """Tokens and logits of the prompts; hidden states after each kind of look; greedy text."""
    for i, prompt in enumerate(PROMPTS):
        keep(f"tokens/{i}", original.inferencer.tokenizer.encode(prompt))
        context = original.start()
        keep(f"logits/{i}", original.model.language_model.lm_head(original.read(context, prompt)))
        keep_text(f"greedy/{i}", original.write(context, 40))
        for kind, (vae, vit) in {"vae": (True, False), "vit": (False, True), "both": (True, True)}.items():
            branch = copy.deepcopy(context)
            image = original.inferencer.vae_transform.resize_transform(small.picture(i, 40 + 20 * i, 70 - 11 * i))
            for n, hidden in enumerate(original.look(branch, image, seed=i, vae=vae, vit=vit)):
                keep(f"look/{kind}/{i}/{n}", hidden)
            keep(f"look/{kind}/{i}/after", original.read(branch, "then"))


def contexts_of(original: Recorder, i: int) -> tuple[Any, Any, Any]:
    """What draws after a prompt, a picture and an instruction: everything; no newest text; no picture."""
    everything, images = original.start(), original.start()
    original.read(everything, PROMPTS[i])
    original.read(images, PROMPTS[i])
    original.look(everything, small.picture(i, 48, 64), seed=10 + i)
    text = copy.deepcopy(everything)
    original.read(everything, PROMPTS[-1 - i])
    original.read(images, PROMPTS[-1 - i])
    return everything, text, images


def sides_of(original: Recorder, text: Any, images: Any, size: tuple[int, int]) -> dict[str, Any]:
    """What guidance leads away from, as arguments of the original's flow."""
    sides: dict[str, Any] = {}
    for name, side in (("text", text), ("img", images)):
        made = original.model.prepare_vae_latent_cfg(side["kv_lens"], side["ropes"], [size])
        sides |= {f"cfg_{name}_{key.removeprefix('cfg_')}": value for key, value in made.items()}
        sides[f"cfg_{name}_past_key_values"] = side["past_key_values"]
    return sides


def record_velocity(original: Recorder) -> None:
    """At several times: without guidance, with text, with both, under each renormalisation."""
    model = original.model
    for i in range(len(PROMPTS)):
        everything, text, images = contexts_of(original, i)
        torch.manual_seed(20 + i)
        ids = original.inferencer.new_token_ids
        main = model.prepare_vae_latent(everything["kv_lens"], everything["ropes"], [SIZES[i]], ids)
        noise = main.pop("packed_init_noises")
        keep(f"velocity/{i}/noise", noise)
        sides = sides_of(original, text, images, SIZES[i])
        guided = {
            "none": (1.0, 1.0, "global", 0.0),
            **{f"text/{kind}": (4.0, 1.0, kind, 0.0) for kind in ("global", "channel", "text_channel")},
            **{f"both/{kind}": (4.0, 2.0, kind, 0.0) for kind in ("global", "channel", "text_channel")},
            "both/global/0.9": (4.0, 2.0, "global", 0.9),
        }
        for t in TIMES:
            for name, (a, b, kind, least) in guided.items():
                velocity = model._forward_flow(
                    x_t=noise, timestep=torch.full((len(noise),), t), past_key_values=everything["past_key_values"],
                    cfg_text_scale=a, cfg_img_scale=b, cfg_renorm_type=kind, cfg_renorm_min=least, **main, **sides,
                )  # fmt: skip
                keep(f"velocity/{i}/{t}/{name}", velocity)


def record_drawing(original: Recorder) -> None:
    """Final latents and images: after a prompt alone as in the GenEval script, and after a picture as in editing."""
    for i, prompt in enumerate(PROMPTS):
        context = original.start()
        original.read(context, prompt)
        empty = original.start()
        image = original.draw(
            context, empty, empty, SIZES[i], 30 + i, cfg_text_scale=4.0, cfg_img_scale=1.0, cfg_interval=(0.4, 1.0)
        )
        keep(f"draw/text/{i}/latent", original.latents[-1])
        keep(f"draw/text/{i}/image", image)
        context = original.start()
        original.read(context, "the rules of the game")
        nothing = {**copy.deepcopy(context), "past_key_values": None}  # the WISE script's: only the length is kept
        original.read(context, prompt)
        original.draw(
            context, nothing, empty, SIZES[i], 80 + i, cfg_text_scale=4.0, cfg_img_scale=1.0, cfg_interval=(0.4, 1.0)
        )
        keep(f"draw/empty/{i}/latent", original.latents[-1])
        image = original.draw(
            *contexts_of(original, i), SIZES[i], 40 + i,
            cfg_text_scale=4.0, cfg_img_scale=2.0, cfg_interval=(0.0, 1.0), cfg_renorm_type="text_channel",
        )  # fmt: skip
        keep(f"draw/both/{i}/latent", original.latents[-1])
        keep(f"draw/both/{i}/image", image)


def record_trajectory(original: Recorder) -> None:
    """Read, think, draw, look, write, draw. Texts are read into the context without images as well."""
    from PIL import Image

    how = {"cfg_text_scale": 3.0, "cfg_renorm_type": "channel", "cfg_interval": (0.0, 1.0)}
    for i, prompt in enumerate(PROMPTS):
        context, texts = original.start(), original.start()
        for one in (context, texts):
            original.read(one, "the rules of the game")
        without = copy.deepcopy(context)
        for one in (context, texts):
            original.read(one, prompt)
        thought = original.write(context, 24)
        for one in (context, texts):
            original.read(one, thought)
        first = original.draw(context, without, texts, SIZES[i], 50 + i, cfg_img_scale=1.0, **how)
        keep_text(f"trajectory/{i}/thought", thought)
        keep(f"trajectory/{i}/first", first)
        original.look(context, Image.fromarray(first), seed=60 + i)
        without = copy.deepcopy(context)
        change = original.write(context, 24)
        for one in (context, texts):
            original.read(one, change)
        second = original.draw(context, without, texts, SIZES[i], 70 + i, cfg_img_scale=2.0, **how)
        keep_text(f"trajectory/{i}/change", change)
        keep(f"trajectory/{i}/second", second)
        keep(f"trajectory/{i}/latent", original.latents[-1])


def record_understanding(original: Recorder) -> None:
    """Greedy answers to a question about a picture, through the original's front door."""
    for i, prompt in enumerate(PROMPTS):
        image = small.picture(i, 40 + 20 * i, 70 - 11 * i)
        answer = original.inferencer(
            image=image, text=prompt, understanding_output=True, do_sample=False, max_think_token_n=40
        )
        keep_text(f"understand/{i}", answer["text"])


def record_editing(original: Recorder) -> None:
    """A picture, then an instruction, through the same door; and the velocity behind them, guided by both."""
    how = {"cfg_text_scale": 4.0, "cfg_img_scale": 2.0, "cfg_renorm_type": "text_channel"}
    for i, prompt in enumerate(PROMPTS):
        image = small.picture(i, 40 + 20 * i, 70 - 11 * i)
        torch.manual_seed(90 + i)  # of what the autoencoder sees, then of the noise
        edited = original.inferencer(image=image, text=prompt, num_timesteps=STEPS, cfg_interval=[0.0, 1.0], **how)
        keep(f"edit/{i}/latent", original.latents[-1])
        keep(f"edit/{i}/image", np.asarray(edited["image"]))
        everything, images = original.start(), original.start()
        seen = original.inferencer.vae_transform.resize_transform(image)
        original.look(everything, seen, seed=90 + i)
        text = copy.deepcopy(everything)
        original.read(everything, prompt)
        original.read(images, prompt)
        model, ids = original.model, original.inferencer.new_token_ids
        size = seen.size[::-1]
        torch.manual_seed(95 + i)
        main = model.prepare_vae_latent(everything["kv_lens"], everything["ropes"], [size], ids)
        noise = main.pop("packed_init_noises")
        sides = sides_of(original, text, images, size)
        for t in TIMES:
            velocity = model._forward_flow(
                x_t=noise, timestep=torch.full((len(noise),), t), past_key_values=everything["past_key_values"],
                cfg_renorm_min=0.0, **how, **main, **sides,
            )  # fmt: skip
            keep(f"edit/{i}/{t}", velocity)


def main() -> None:
    import_original(Path(sys.argv[1]))
    torch.set_num_threads(1)
    with torch.device("meta"):
        full = build(small.FULL_LLM, small.FULL_VIT, 70, 64, types.SimpleNamespace(downsample=8, z_channels=16))
    keep("full", json.dumps({"outline": outline(full), "keys": len(shapes(full))}))
    original = Recorder()
    keep("small", json.dumps({"outline": outline(original.model), "autoencoder": outline(original.vae)}))
    keep("tables/latent", original.model.latent_pos_embed.pos_embed)
    keep("tables/vit", original.model.vit_pos_embed.pos_embed)
    with torch.no_grad():
        record_reading(original)
        record_velocity(original)
        record_drawing(original)
        record_trajectory(original)
        record_understanding(original)
        record_editing(original)
    np.savez_compressed(sys.argv[2], **RECORD)
    sys.stdout.write(f"{len(RECORD)} arrays, {Path(sys.argv[2]).stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
