"""Record what the original BAGEL program computes, for ``test_bagel_parity.py``.

    python tests/helpers/original_bagel.py CHECKOUT tests/models/bagel/record_bagel.py tests/models/bagel/bagel.npz

``original_bagel.py`` says what CHECKOUT is, and what environment it needs. The configuration and weights are those of
``bagel_small.py``. Only arrays and texts are kept.
"""

from __future__ import annotations

import copy
import json
import sys
import types
from pathlib import Path
from typing import Any

import bagel_small as small
import numpy as np
import torch
from original_bagel import OriginalBagel, build, outline, shapes

RECORD: dict[str, np.ndarray] = {}
PROMPTS = ("a photo of the dog", "three red cubes on top of a cat, in the rain", "one", "blue")
TIMES = (1.0, 0.62, 0.07)
SIZES = ((64, 48), (48, 64), (64, 64), (32, 48))
"""Height and width of the drawing after each prompt."""


def keep(name: str, value: Any) -> None:
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    RECORD[name] = array.astype(np.float32) if array.dtype == np.float64 else array


def keep_text(name: str, text: str) -> None:
    RECORD[name] = np.asarray(json.dumps(text))  # numpy drops null characters from the end of a string


def record_reading(original: OriginalBagel) -> None:
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


def contexts_of(original: OriginalBagel, i: int) -> tuple[Any, Any, Any]:
    """What draws after a prompt, a picture and an instruction: everything; no newest text; no picture."""
    everything, images = original.start(), original.start()
    original.read(everything, PROMPTS[i])
    original.read(images, PROMPTS[i])
    original.look(everything, small.picture(i, 48, 64), seed=10 + i)
    text = copy.deepcopy(everything)
    original.read(everything, PROMPTS[-1 - i])
    original.read(images, PROMPTS[-1 - i])
    return everything, text, images


def sides_of(original: OriginalBagel, text: Any, images: Any, size: tuple[int, int]) -> dict[str, Any]:
    """What guidance leads away from, as arguments of the original's flow."""
    sides: dict[str, Any] = {}
    for name, side in (("text", text), ("img", images)):
        made = original.model.prepare_vae_latent_cfg(side["kv_lens"], side["ropes"], [size])
        sides |= {f"cfg_{name}_{key.removeprefix('cfg_')}": value for key, value in made.items()}
        sides[f"cfg_{name}_past_key_values"] = side["past_key_values"]
    return sides


def record_velocity(original: OriginalBagel) -> None:
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
                velocity = original.velocity(
                    x_t=noise, timestep=torch.full((len(noise),), t), past_key_values=everything["past_key_values"],
                    cfg_text_scale=a, cfg_img_scale=b, cfg_renorm_type=kind, cfg_renorm_min=least, **main, **sides,
                )  # fmt: skip
                keep(f"velocity/{i}/{t}/{name}", velocity)


def record_drawing(original: OriginalBagel) -> None:
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


def record_trajectory(original: OriginalBagel) -> None:
    """Read, think, draw, look, write, draw. Texts are read into the context without images as well."""
    from PIL import Image

    how = {"cfg_text_scale": 3.0, "cfg_renorm_type": "channel", "cfg_interval": (0.0, 1.0)}
    for i, prompt in enumerate(PROMPTS):
        context, texts = original.start(), original.start()
        for branch in (context, texts):
            original.read(branch, "the rules of the game")
        without = copy.deepcopy(context)
        for branch in (context, texts):
            original.read(branch, prompt)
        thought = original.write(context, 24)
        for branch in (context, texts):
            original.read(branch, thought)
        first = original.draw(context, without, texts, SIZES[i], 50 + i, cfg_img_scale=1.0, **how)
        keep_text(f"trajectory/{i}/thought", thought)
        keep(f"trajectory/{i}/first", first)
        original.look(context, Image.fromarray(first), seed=60 + i)
        without = copy.deepcopy(context)
        change = original.write(context, 24)
        for branch in (context, texts):
            original.read(branch, change)
        second = original.draw(context, without, texts, SIZES[i], 70 + i, cfg_img_scale=2.0, **how)
        keep_text(f"trajectory/{i}/change", change)
        keep(f"trajectory/{i}/second", second)
        keep(f"trajectory/{i}/latent", original.latents[-1])


def record_understanding(original: OriginalBagel) -> None:
    """Greedy answers to a question about a picture, through the original's front door."""
    for i, prompt in enumerate(PROMPTS):
        image = small.picture(i, 40 + 20 * i, 70 - 11 * i)
        answer = original.inferencer(
            image=image, text=prompt, understanding_output=True, do_sample=False, max_think_token_n=40
        )
        keep_text(f"understand/{i}", answer["text"])


def record_editing(original: OriginalBagel) -> None:
    """A picture, then an instruction, through the same door; and the velocity behind them, guided by both."""
    how = {"cfg_text_scale": 4.0, "cfg_img_scale": 2.0, "cfg_renorm_type": "text_channel"}
    for i, prompt in enumerate(PROMPTS):
        image = small.picture(i, 40 + 20 * i, 70 - 11 * i)
        torch.manual_seed(90 + i)  # of what the autoencoder sees, then of the noise
        edited = original.inferencer(
            image=image, text=prompt, num_timesteps=original.steps, cfg_interval=[0.0, 1.0], **how
        )
        keep(f"edit/{i}/latent", original.latents[-1])
        keep(f"edit/{i}/image", np.asarray(edited["image"]))
        everything, images = original.start(), original.start()
        resized = original.inferencer.vae_transform.resize_transform(image)
        original.look(everything, resized, seed=90 + i)
        text = copy.deepcopy(everything)
        original.read(everything, prompt)
        original.read(images, prompt)
        model, ids = original.model, original.inferencer.new_token_ids
        size = resized.size[::-1]
        torch.manual_seed(95 + i)
        main = model.prepare_vae_latent(everything["kv_lens"], everything["ropes"], [size], ids)
        noise = main.pop("packed_init_noises")
        sides = sides_of(original, text, images, size)
        for t in TIMES:
            velocity = original.velocity(
                x_t=noise, timestep=torch.full((len(noise),), t), past_key_values=everything["past_key_values"],
                cfg_renorm_min=0.0, **how, **main, **sides,
            )  # fmt: skip
            keep(f"edit/{i}/{t}", velocity)


def main() -> None:
    recording = Path(sys.argv[1])
    torch.set_num_threads(1)
    with torch.device("meta"):
        full = build(small.FULL_LLM, small.FULL_VIT, 70, 64, types.SimpleNamespace(downsample=8, z_channels=16))
    keep("full", json.dumps({"outline": outline(full), "keys": len(shapes(full))}))
    original = OriginalBagel()
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
    np.savez_compressed(recording, **RECORD)
    sys.stdout.write(f"{len(RECORD)} arrays, {recording.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
