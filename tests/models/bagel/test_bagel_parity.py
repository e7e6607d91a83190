"""Against what the original program computed with the same weights (``record_bagel.py``): within 1e-4, alone and in a
batch of unlike contexts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import bagel_small as small
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.config import LanguageSizes, Sizes, VisionSizes
from evalharness.models.bagel.drawing import draw as solve
from evalharness.models.bagel.network import Network
from evalharness.models.bagel.runtime import Runtime, generator
from evalharness.models.bagel.sampler import Sampler

PROMPTS = ("a photo of the dog", "three red cubes on top of a cat, in the rain", "one", "blue")
SIZES = ((64, 48), (48, 64), (64, 64), (32, 48))
GRIDS = [(height // 16, width // 16) for height, width in SIZES]
EVERYONE = range(len(PROMPTS))
GROUPS = [[0], [1], [2], [3], [3, 0, 2, 1]]
"""Alone, and together with contexts of other lengths."""

Recorded = Mapping[str, np.ndarray]
together = pytest.mark.parametrize("group", GROUPS, ids=str)


@pytest.fixture(scope="module")
def runtime(bagel_settings: Callable[..., Any]) -> Runtime:
    return Runtime(bagel_settings(temperature=0, image_scale=2), ["cpu"])


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def same(actual: Tensor | np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest value; it must be below 1e-4."""
    ours = np.asarray(actual, dtype=np.float64)
    assert ours.shape == expected.shape
    error = float(np.abs(ours - expected).max() / np.abs(expected).max())
    assert error < 1e-4, error
    return error


def as_image(number: int) -> Image.Image:
    return small.picture(number, 40 + 20 * number, 70 - 11 * number)


def in_order(hidden: Tensor) -> Tensor:
    """The original has an image's tokens between its markers; here the markers come first."""
    return torch.cat([hidden[:1], hidden[2:], hidden[1:2]])


def read(runtime: Runtime, contexts: Sequence[Context], texts: Sequence[str]) -> list[Tensor]:
    return runtime.bagel.read(contexts, [runtime.tokens.encode(text) for text in texts])


def look(
    runtime: Runtime,
    contexts: Sequence[Context],
    images: Sequence[Image.Image],
    seeds: Sequence[int],
    kind: str = "both",
) -> list[Tensor]:
    from evalharness.models.bagel.images import fit

    fitted = [fit(image, *small.VAE_SIZES, 16) for image in images]
    latents = [runtime.encode(image, generator(seed)) for image, seed in zip(fitted, seeds, strict=True)]
    patches = [runtime.patches(image) for image in fitted]
    none = [None] * len(images)
    return runtime.bagel.look(
        contexts, none if kind == "vit" else latents, none if kind == "vae" else patches, branch=True
    )


def contexts_of(runtime: Runtime, group: Sequence[int]) -> list[Context]:
    contexts = [Context() for _ in group]
    read(runtime, contexts, [PROMPTS[i] for i in group])
    look(runtime, contexts, [small.picture(i, 48, 64) for i in group], [10 + i for i in group])
    read(runtime, contexts, [PROMPTS[-1 - i] for i in group])
    return contexts


# --- names, shapes, tables ---


def outline(shapes: Mapping[str, tuple[int, ...]]) -> str:
    lines = [f"{name} {'x'.join(map(str, shape))}\n" for name, shape in sorted(shapes.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_full_checkpoint_has_the_original_s_names_and_shapes(bagel_recording: Recorded) -> None:
    """Derived from the two JSON files, on the meta device."""
    sizes = Sizes(
        language=LanguageSizes.model_validate(small.FULL_LLM), vision=VisionSizes.model_validate(small.FULL_VIT)
    )
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in Network(sizes).state_dict().items()}
    full = json.loads(str(bagel_recording["full"]))
    assert len(shapes) == full["keys"]
    assert outline(shapes) == full["outline"]
    assert 14.6e9 < sum(np.prod(shape) for shape in shapes.values()) < 14.7e9


def test_the_small_checkpoint_has_the_original_s_names_and_shapes(bagel_folder: Any, bagel_recording: Recorded) -> None:
    from evalharness.models.bagel.loading import read_shapes

    digests = json.loads(str(bagel_recording["small"]))
    assert outline(read_shapes(bagel_folder / "ema.safetensors")) == digests["outline"]
    assert outline(read_shapes(bagel_folder / "ae.safetensors")) == digests["autoencoder"]


def test_tables_of_places(runtime: Runtime, bagel_recording: Recorded) -> None:
    same(runtime.bagel.network.latent_pos_embed.pos_embed, bagel_recording["tables/latent"])
    same(runtime.bagel.network.vit_pos_embed.pos_embed, bagel_recording["tables/vit"])


# --- reading, looking, writing ---


@together
def test_logits_of_a_text(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    contexts = [Context() for _ in group]
    for i in group:
        assert runtime.tokens.encode(PROMPTS[i]) == bagel_recording[f"tokens/{i}"].tolist()
    for i, hidden in zip(group, read(runtime, contexts, [PROMPTS[i] for i in group]), strict=True):
        same(runtime.bagel.network.logits(hidden), bagel_recording[f"logits/{i}"])


@together
@pytest.mark.parametrize("kind", ["vae", "vit", "both"])
def test_hidden_states_of_a_look(runtime: Runtime, bagel_recording: Recorded, group: list[int], kind: str) -> None:
    contexts = [Context() for _ in group]
    read(runtime, contexts, [PROMPTS[i] for i in group])
    hidden = look(runtime, contexts, [as_image(i) for i in group], group, kind)
    blocks = [hidden[n : n + len(group)] for n in range(0, len(hidden), len(group))]
    for n, block in enumerate(blocks):
        for i, state in zip(group, block, strict=True):
            same(in_order(state), bagel_recording[f"look/{kind}/{i}/{n}"])
    for i, after in zip(group, read(runtime, contexts, ["then"] * len(group)), strict=True):
        same(after, bagel_recording[f"look/{kind}/{i}/after"])


@together
def test_greedily_written_text(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    contexts = [Context() for _ in group]
    read(runtime, contexts, [PROMPTS[i] for i in group])
    # The original counts the token that it starts with.
    written = runtime.write(contexts, ("<|im_end|>",), 39, [0] * len(group))
    assert [text.text for text in written] == [json.loads(str(bagel_recording[f"greedy/{i}"])) for i in group]


# --- drawing ---

GUIDANCE = {
    "none": Sampler(text_scale=1.0),
    **{f"text/{kind}": Sampler(renorm=kind) for kind in ("global", "channel", "text_channel")},  # type: ignore[arg-type]
    **{
        f"both/{kind}": Sampler(image_scale=2.0, renorm=kind)  # type: ignore[arg-type]
        for kind in ("global", "channel", "text_channel")
    },
    "both/global/0.9": Sampler(image_scale=2.0, renorm_min=0.9),
}


@together
@pytest.mark.parametrize("time", [1.0, 0.62, 0.07])
def test_velocity(runtime: Runtime, bagel_recording: Recorded, group: list[int], time: float) -> None:
    contexts, bagel = contexts_of(runtime, group), runtime.bagel
    noise = [torch.from_numpy(bagel_recording[f"velocity/{i}/noise"]) for i in group]
    grids = [GRIDS[i] for i in group]
    plain, without_text, without_images = (
        bagel.velocity(views, noise, time, grids)
        for views in (
            [context.full.view() for context in contexts],
            [context.without_newest_text() for context in contexts],
            [context.text_only.view() for context in contexts if context.text_only],
        )
    )
    for name, sampler in GUIDANCE.items():
        for n, i in enumerate(group):
            velocity = plain[n]
            if sampler.text_scale > 1:
                velocity = sampler.guide(
                    velocity, without_text[n], without_images[n] if sampler.image_scale > 1 else None
                )
            same(velocity, bagel_recording[f"velocity/{i}/{time}/{name}"])


def test_the_recorded_guidance_makes_a_difference(bagel_recording: Recorded) -> None:
    """Or else the comparison above would show nothing. (Without images `text_channel` is `channel`.)"""
    for i in EVERYONE:
        kinds = [bagel_recording[f"velocity/{i}/0.62/{name}"] for name in GUIDANCE if name != "text/text_channel"]
        for n, kind in enumerate(kinds):
            assert all(np.abs(kind - other).max() > 1e-3 * np.abs(kind).max() for other in kinds[:n])


def test_a_seed_gives_the_original_s_noise(runtime: Runtime, bagel_recording: Recorded) -> None:
    for i, (rows, columns) in enumerate(GRIDS):
        drawn = torch.randn((rows * columns, 64), generator=generator(20 + i))
        same(drawn, bagel_recording[f"velocity/{i}/noise"])


def draw(
    runtime: Runtime, contexts: Sequence[Context], group: Sequence[int], seed: int, sampler: Sampler
) -> tuple[list[Tensor], list[Image.Image]]:
    noise = [torch.randn((GRIDS[i][0] * GRIDS[i][1], 64), generator=generator(seed + i)) for i in group]
    latents = solve(runtime.bagel, contexts, noise, [GRIDS[i] for i in group], [sampler] * len(group))
    return latents, [runtime.decode(latent) for latent in latents]


def as_tokens(latents: Tensor) -> Tensor:
    from evalharness.models.bagel.vision import to_patches

    return to_patches(latents, 2)


def same_image(actual: Image.Image, expected: np.ndarray) -> None:
    """Cut to 8 bits, a value may fall on the other side of a step."""
    difference = np.abs(np.asarray(actual, dtype=int) - expected)
    assert actual.size == expected.shape[1::-1]
    assert difference.max() <= 1
    assert difference.mean() < 0.01


@together
def test_a_drawing_after_a_text(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    contexts = [Context() for _ in group]
    read(runtime, contexts, [PROMPTS[i] for i in group])
    latents, images = draw(runtime, contexts, group, 30, Sampler(steps=6, interval=(0.4, 1.0), image_scale=2.0))
    for i, latent, image in zip(group, latents, images, strict=True):
        same(as_tokens(latent), bagel_recording[f"draw/text/{i}/latent"])
        same_image(image, bagel_recording[f"draw/text/{i}/image"])


@together
def test_a_drawing_guided_away_from_nothing(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    """At the position behind the system prompt, as the WISE script has it."""
    contexts = [Context(empty=True) for _ in group]
    read(runtime, contexts, ["the rules of the game"] * len(group))
    read(runtime, contexts, [PROMPTS[i] for i in group])
    latents, _ = draw(runtime, contexts, group, 80, Sampler(steps=6, interval=(0.4, 1.0)))
    for i, latent in zip(group, latents, strict=True):
        same(as_tokens(latent), bagel_recording[f"draw/empty/{i}/latent"])


@together
def test_a_drawing_after_a_picture(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    contexts = contexts_of(runtime, group)
    latents, images = draw(runtime, contexts, group, 40, Sampler(steps=6, image_scale=2.0, renorm="text_channel"))
    for i, latent, image in zip(group, latents, images, strict=True):
        same(as_tokens(latent), bagel_recording[f"draw/both/{i}/latent"])
        same_image(image, bagel_recording[f"draw/both/{i}/image"])


@together
def test_a_trajectory_of_two_rounds(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    """Read, think, draw, look, write, draw: one context, in which nothing is encoded twice."""
    contexts = [Context() for _ in group]
    how = {"steps": 6, "text_scale": 3.0, "image_scale": 2.0, "renorm": "channel"}
    sampler = Sampler(**how)  # type: ignore[arg-type]
    none = [0] * len(group)
    read(runtime, contexts, ["the rules of the game"] * len(group))
    read(runtime, contexts, [PROMPTS[i] for i in group])
    thoughts = runtime.write(contexts, ("<|im_end|>",), 23, none)
    _, first = draw(runtime, contexts, group, 50, sampler)
    drawn = [Image.fromarray(bagel_recording[f"trajectory/{i}/first"]) for i in group]
    look(runtime, contexts, drawn, [60 + i for i in group])
    changes = runtime.write(contexts, ("<|im_end|>",), 23, none)
    latents, second = draw(runtime, contexts, group, 70, sampler)
    for n, i in enumerate(group):
        assert thoughts[n].text == json.loads(str(bagel_recording[f"trajectory/{i}/thought"]))
        assert changes[n].text == json.loads(str(bagel_recording[f"trajectory/{i}/change"]))
        same_image(first[n], bagel_recording[f"trajectory/{i}/first"])
        same(as_tokens(latents[n]), bagel_recording[f"trajectory/{i}/latent"])
        same_image(second[n], bagel_recording[f"trajectory/{i}/second"])


@together
def test_an_answer_about_a_picture(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    """Seen by the vision transformer alone, the picture before the question."""
    contexts = [Context() for _ in group]
    runtime.look(contexts, [as_image(i) for i in group], understand=True)
    runtime.read(contexts, [PROMPTS[i] for i in group])
    written = runtime.write(contexts, ("<|im_end|>",), 39, [0] * len(group))
    assert [text.text for text in written] == [json.loads(str(bagel_recording[f"understand/{i}"])) for i in group]


def edit_contexts(
    runtime: Runtime, group: Sequence[int], generators: Sequence[torch.Generator]
) -> tuple[list[Context], list[tuple[int, int]]]:
    """A picture, then an instruction; rows and columns of the drawing, which is of the picture's size."""
    from evalharness.models.bagel.images import fit

    contexts = [Context() for _ in group]
    fitted = [fit(as_image(i), *small.VAE_SIZES, 16) for i in group]
    latents = [runtime.encode(image, generator) for image, generator in zip(fitted, generators, strict=True)]
    runtime.bagel.look(contexts, latents, [runtime.patches(image) for image in fitted], branch=True)
    read(runtime, contexts, [PROMPTS[i] for i in group])
    return contexts, [(image.height // 16, image.width // 16) for image in fitted]


@together
@pytest.mark.parametrize("time", [1.0, 0.62, 0.07])
def test_velocity_of_an_edit(runtime: Runtime, bagel_recording: Recorded, group: list[int], time: float) -> None:
    contexts, grids = edit_contexts(runtime, group, [generator(90 + i) for i in group])
    noise = [
        torch.randn((rows * columns, 64), generator=generator(95 + i))
        for i, (rows, columns) in zip(group, grids, strict=True)
    ]
    views = [
        [context.full.view() for context in contexts],
        [context.without_newest_text() for context in contexts],
        [context.text_only.view() for context in contexts if context.text_only],
    ]
    sampler = Sampler(image_scale=2.0, renorm="text_channel")
    plain, without_text, without_images = (runtime.bagel.velocity(side, noise, time, grids) for side in views)
    for n, i in enumerate(group):
        same(sampler.guide(plain[n], without_text[n], without_images[n]), bagel_recording[f"edit/{i}/{time}"])


@together
def test_an_edit(runtime: Runtime, bagel_recording: Recorded, group: list[int]) -> None:
    generators = [generator(90 + i) for i in group]
    contexts, grids = edit_contexts(runtime, group, generators)
    noise = [
        torch.randn((rows * columns, 64), generator=generator)
        for generator, (rows, columns) in zip(generators, grids, strict=True)
    ]
    sampler = Sampler(steps=6, image_scale=2.0, renorm="text_channel")
    latents = solve(runtime.bagel, contexts, noise, grids, [sampler] * len(group))
    for i, latent in zip(group, latents, strict=True):
        same(as_tokens(latent), bagel_recording[f"edit/{i}/latent"])
        same_image(runtime.decode(latent), bagel_recording[f"edit/{i}/image"])


@contextmanager
def counted(network: Network) -> Iterator[list[int]]:
    """How many tokens pass through the network to be kept."""
    kept: list[int] = []
    run = network.run

    def watched(pieces: Any, *, causal: bool, keep: bool, rows: int = 0) -> Any:
        if keep:
            kept.append(sum(len(piece) for piece in pieces))
        return run(pieces, causal=causal, keep=keep, rows=rows)

    network.run = watched  # type: ignore[method-assign]
    yield kept
    del network.run  # type: ignore[method-assign]


def test_nothing_is_encoded_twice(runtime: Runtime) -> None:
    """Two rounds pass each token of the whole context once, and each text once more without the images."""
    (context,) = contexts = [Context()]
    with counted(runtime.bagel.network) as kept:
        read(runtime, contexts, [PROMPTS[0]])
        before = context.full.cache.length
        look(runtime, contexts, [small.picture(1, 48, 64)], [1])
        read(runtime, contexts, ["then"])
    assert context.text_only is not None
    assert sum(kept) == context.full.cache.length + context.text_only.cache.length - before
