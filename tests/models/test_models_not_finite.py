"""Models whose networks compute numbers that are none: these samples fail, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from evalharness.api.executor import isolate
from evalharness.api.failure import Failure
from evalharness.api.variant import Variant
from evalharness.assets.weights_folder import embedded_weights
from evalharness.errors import NotFiniteError
from evalharness.execution.workers import GenerateWorker
from evalharness.generation.process import Process
from evalharness.generation.single_pass import SinglePass
from evalharness.generation.text_cot import TextCot
from evalharness.miniature.model.plugin import Miniature
from evalharness.planning.plan import Job
from evalharness.types.trajectory import Trajectory

NAN, INF = float("nan"), float("inf")
PROMPTS = ["a photo of a dog", "a photo of a red bench", "a photo of two cats"]


@contextmanager
def changed(values: torch.Tensor, number: float) -> Iterator[None]:
    """One number of a tensor is another in this block."""
    kept = values.clone()
    values.view(-1)[0] = number
    try:
        yield
    finally:
        values.copy_(kept)


def outcomes(model: Any, variant: Variant, prompts: Sequence[str] = PROMPTS) -> list[Trajectory | Failure]:
    """What becomes of the prompts in one batch."""
    jobs = [Job(str(number), "m", variant, prompt, number) for number, prompt in enumerate(prompts)]
    return isolate(GenerateWorker(model), jobs)


def reasons(made: Sequence[Trajectory | Failure]) -> set[str]:
    """The ends of the reasons; fails if something was drawn."""
    assert all(isinstance(outcome, Failure) for outcome in made)
    return {outcome.reason.partition(" numbers of ")[2] for outcome in made if isinstance(outcome, Failure)}


@pytest.fixture(scope="module")
def miniature() -> Miniature:
    return Miniature(Miniature.Settings(steps=2))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    diffusers = pytest.importorskip("diffusers", reason="the extra `diffusers` is not installed")
    import tiny_diffusion

    from evalharness.models.diffusers import Diffusers

    folder = tmp_path_factory.mktemp("pipeline")
    parts = tiny_diffusion.parts(tmp_path_factory.mktemp("words"))
    diffusers.StableDiffusionPipeline(**parts).save_pretrained(folder, safe_serialization=True)
    settings = {"weights": str(folder), "dtype": "float32", "steps": 2, "device": "cpu"}
    return Diffusers(Diffusers.Settings.model_validate(settings))


@pytest.fixture(scope="module")
def damaged_bagel(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that makes a model whose checkpoint has a NaN."""
    pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")
    import bagel_fixtures
    import bagel_small
    from safetensors.torch import load_file, save_file

    from evalharness.models.bagel.plugin import Bagel
    from evalharness.models.bagel.settings import Settings

    def make(file: str, name: str, mode: str) -> Bagel:
        folder = bagel_fixtures.write_checkpoint(tmp_path_factory.mktemp("bagel"))
        tensors = load_file(folder / file)
        tensors[name].view(-1)[0] = NAN
        save_file(tensors, folder / file)
        settings = {
            "weights": folder, "dtype": "float32", "device": "cpu", "height": 64, "width": 48, "steps": 3,
            "vae_sizes": bagel_small.VAE_SIZES, "vit_sizes": bagel_small.VIT_SIZES, "max_tokens": 12, "mode": mode,
            "words": {"system": "think"},
        }  # fmt: skip
        return Bagel(Settings.model_validate(settings))

    return make


class TestMiniature:
    @pytest.mark.parametrize("number", [NAN, INF])
    @pytest.mark.parametrize("name", ["to_latent.weight", "blocks.0.out.weight", "noisy_in.bias", "norm.weight"])
    def test_a_drawing_fails(self, miniature: Miniature, name: str, number: float) -> None:
        network, codec = miniature.load()
        weights = dict(network.named_parameters())
        if name not in weights:
            name = next(known for known in weights if known.startswith(name.partition(".")[0]))
        with changed(weights[name], number):
            assert reasons(outcomes(miniature, SinglePass())) == {"the drawing's pixels are NaN or infinite"}
        with changed(codec.basis, number):
            assert reasons(outcomes(miniature, SinglePass())) == {"the drawing's pixels are NaN or infinite"}
        assert all(isinstance(made, Trajectory) for made in outcomes(miniature, SinglePass()))

    @pytest.mark.parametrize("variant", [TextCot(), Process(max_iterations=2)])
    def test_a_text_fails(self, miniature: Miniature, variant: Variant) -> None:
        with changed(miniature.load()[0].norm.weight, NAN):
            assert reasons(outcomes(miniature, variant)) == {"the next word's logits are NaN or infinite"}

    def test_only_the_prompts_with_the_bad_word_fail(self, miniature: Miniature) -> None:
        from evalharness.miniature.model.tokenizer import Tokenizer

        network, _ = miniature.load()
        words = Tokenizer(json.loads((embedded_weights("unified") / "config.json").read_text())["words"])
        expected = outcomes(miniature, SinglePass())
        with changed(network.words.weight[words.id("dog")], NAN):
            dog, *others = outcomes(miniature, SinglePass())
        assert isinstance(dog, Failure)
        images = [[made.image for made in drawn if isinstance(made, Trajectory)] for drawn in (others, expected[1:])]
        assert images[0] == images[1] and len(images[0]) == 2


class TestDiffusers:
    @pytest.mark.parametrize(
        ("part", "weight", "watched"),
        [
            ("unet", "conv_out.bias", "unet"),
            ("text_encoder", "", "unet"),
            ("vae", "decoder.conv_in.bias", "the decoder of vae"),
        ],
    )
    def test_no_image_is_black(self, pipeline: Any, part: str, weight: str, watched: str) -> None:
        weights = dict(getattr(pipeline.load(), part).named_parameters())
        values = weights[weight] if weight else list(weights.values())[-1]
        with changed(values.data, NAN):
            made = outcomes(pipeline, SinglePass())
        assert reasons(made) == {f"the output of {watched} are NaN or infinite"}
        assert all(isinstance(made, Trajectory) for made in outcomes(pipeline, SinglePass()))

    def test_nor_one_that_is_decoded_in_another_way(self, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        networks = pipeline.load()
        monkeypatch.setattr(networks.vae, "decode", lambda *latents, **options: (torch.full((1, 3, 16, 16), NAN),))
        with pytest.raises(NotFiniteError, match=r"^the pixels of the image are NaN or infinite$"):
            pipeline.paint(PROMPTS[:1], [1])


class TestBagel:
    @pytest.mark.parametrize("mode", ["exact", "fast"])
    @pytest.mark.parametrize(
        ("file", "name", "variant", "reason"),
        [
            ("ema.safetensors", "llm2vae.weight", SinglePass(), "the drawing's latents"),
            ("ema.safetensors", "language_model.lm_head.weight", TextCot(), "the next token's logits"),
            ("ema.safetensors", "language_model.model.norm.weight", TextCot(), "the next token's logits"),
            ("ae.safetensors", "decoder.conv_in.weight", SinglePass(), "the drawing's pixels"),
        ],
    )
    def test_a_sample_fails(
        self, damaged_bagel: Any, file: str, name: str, variant: Variant, reason: str, mode: str
    ) -> None:
        assert reasons(outcomes(damaged_bagel(file, name, mode), variant)) == {f"{reason} are NaN or infinite"}
