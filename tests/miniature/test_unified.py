"""The unified miniature: its words, its autoencoder, and that reading step by step is what was trained in one piece."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from evalharness.api.variant import Variant
from evalharness.errors import SampleError, WeightsError
from evalharness.generation import variants
from evalharness.generation.process import Process
from evalharness.generation.single_pass import SinglePass
from evalharness.generation.text_cot import TextCot
from evalharness.miniature.model import contexts as ctx
from evalharness.miniature.model.batches import collate, tile_latents
from evalharness.miniature.model.codec import Codec, fit
from evalharness.miniature.model.network import CLEAN, Network, NetworkConfig
from evalharness.miniature.model.plugin import Miniature
from evalharness.miniature.model.tokenizer import VOCABULARY, Tokenizer
from evalharness.miniature.training.unified import SHAPES, begin, save
from evalharness.miniature.world.board import CLASSES, canvas
from evalharness.miniature.world.scenes import random_metadata, random_scene
from evalharness.miniature.world.training_examples import Draw, Look, Text, TrainingExample, training_example

TOKENIZER = Tokenizer()


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    config = NetworkConfig(vocabulary=len(VOCABULARY), width=48, depth=3, heads=3)
    net = Network(config).eval().requires_grad_(False)
    net.kinds.weight.normal_()
    net.cells.weight.normal_()
    return net


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(fit())


@given(st.integers(0, 10**9))
def test_every_prompt_of_geneval_s_kinds_survives_encoding(seed: int) -> None:
    rng = random.Random(seed)
    prompt = random_metadata(rng, rng.choice(["counting", "position", "color_attr", "colors"]))["prompt"]
    assert TOKENIZER.decode(TOKENIZER.encode(prompt)) == prompt


@given(st.text())
def test_any_text_is_encoded_or_refused(text: str) -> None:
    try:
        assert all(0 <= i < len(TOKENIZER) for i in TOKENIZER.encode(text))
    except SampleError as error:
        assert "vocabulary" in str(error)


@given(st.lists(st.integers(0, len(VOCABULARY) - 1), max_size=12))
def test_whatever_a_model_writes_can_be_read_again(ids: list[int]) -> None:
    text = TOKENIZER.decode(TOKENIZER.encode(TOKENIZER.decode(ids)))
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_an_unknown_word_is_named_with_the_nearest_known() -> None:
    with pytest.raises(SampleError, match=r"'bananna' is not in the miniature's vocabulary; did you mean 'banana'\?"):
        TOKENIZER.encode("a photo of a bananna")


def test_every_class_is_one_token() -> None:
    assert all(len(TOKENIZER.encode(name)) == 1 for name in CLASSES)


def test_the_autoencoder_keeps_what_it_is_shown(codec: Codec) -> None:
    rng = random.Random(1)
    pixels = torch.from_numpy(np.stack([canvas(random_scene(rng)) for _ in range(20)]))
    error = (codec.decode(codec.encode(pixels)).float() - pixels.float()).square().mean().sqrt()
    assert error < 8  # of 255: the basis drops what the eye misses


def test_lessons_fit_their_length() -> None:
    rng = random.Random(0)
    latents = torch.zeros(801, 4)
    for kind, (_, length) in SHAPES.items():
        batch = collate([training_example(rng, kind) for _ in range(300)], length, TOKENIZER, latents)
        assert batch.ids.shape == (300, length)


def test_a_checkpoint_goes_on_with_more_words(network: Network, codec: Codec, tmp_path: Path) -> None:
    save(tmp_path, network, codec)
    config = json.loads((tmp_path / "config.json").read_text())
    words = [*reversed(config["words"][:-2])]
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["words.weight"] = tensors["words.weight"][:-2].flip(0).contiguous()
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config | {"words": words}))
    torch.manual_seed(1)
    larger = Network(network.config)
    fresh = larger.words.weight.detach().clone()
    begin(larger, tmp_path, VOCABULARY)
    torch.testing.assert_close(larger.words.weight[:-2], network.words.weight[:-2], atol=1e-3, rtol=0)
    assert (larger.words.weight[-2:] == fresh[-2:]).all()
    torch.testing.assert_close(larger.blocks[0].qkv.weight, network.blocks[0].qkv.weight, atol=1e-2, rtol=0)


def forward(
    network: Network, made: TrainingExample, latents: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """The whole lesson in one pass, as in training: logits of every position, predicted latents at t = 1."""
    batch = collate([made], 128, TOKENIZER, latents)
    x = network.embed_text(batch.ids)
    looks = network.clean_in(batch.clean) + network.cells(batch.cells.clamp(min=0)) + network.kinds.weight[CLEAN]
    x = torch.where((batch.kinds == CLEAN)[..., None], looks, x)
    at = batch.noisy_at[..., None].expand(-1, -1, x.shape[-1])
    x = x.scatter(1, at, network.embed_noisy(noise, batch.state, torch.ones(1)))
    hidden, _ = network.run(x, batch.positions, batch.cells, batch.mask)
    return network.logits(hidden)[0], network.latents(hidden.gather(1, at), batch.state), batch.labels[0]


@pytest.mark.parametrize("kind", ["single", "think", "read", "ask", "edit"])
def test_step_by_step_is_what_was_trained_in_one_piece(network: Network, codec: Codec, kind: str) -> None:
    latents = tile_latents(codec)
    rng = random.Random(kind)
    made = training_example(rng, kind, unconditional=0)  # type: ignore[arg-type]
    noise = torch.randn(1, 16, 256, generator=torch.Generator().manual_seed(1))
    logits, predicted, _ = forward(network, made, latents, noise)
    (context,) = ctx.start(network, 1)
    at = 0
    for segment in made:
        if isinstance(segment, Text):
            ids = TOKENIZER.encode(segment.words)
            ctx.read(network, [context], [ids])
            at += len(ids)
        elif isinstance(segment, Look):
            batch = collate([[segment, Draw({})]], 90, TOKENIZER, latents)
            ctx.look(network, [context], batch.state)
            at += 16
        else:
            drawn = ctx.draw(network, [context], [context], noise, [1.0, 0.0], guidance=1)
            torch.testing.assert_close(drawn, predicted, rtol=1e-3, atol=1e-4)
            continue
        assert context.hidden is not None
        torch.testing.assert_close(network.logits(context.hidden), logits[at - 1], rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def folder(network: Network, codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("weights")
    save(out, network, codec)
    return out


@pytest.fixture(scope="module")
def model(folder: Path) -> Miniature:
    return Miniature(Miniature.Settings(weights=folder, steps=3, guidance=2))


PROMPTS = ["a photo of a dog", "a photo of a red cat and a blue bus", "a photo of three teddy bears"]


def test_an_image_depends_on_its_own_prompt_and_seed_alone(model: Miniature) -> None:
    together = model.paint(PROMPTS * 8, range(24))
    alone = [model.paint([prompt], [seed])[0] for seed, prompt in enumerate(PROMPTS * 8)]
    assert [a.image.tobytes() for a in together] == [b.image.tobytes() for b in alone]
    assert len({a.image.tobytes() for a in together}) == 24


def test_words_depend_on_their_own_context_and_seed_alone(model: Miniature) -> None:
    def written(prompts: list[str], seeds: list[int]) -> list[str]:
        contexts = model.start(len(prompts))
        model.read(contexts, prompts)
        model.look(contexts, [model.blank()] * len(prompts))
        return [w.text for w in model.write(contexts, stop=("</des>",), max_tokens=12, seeds=seeds)]

    together = written(PROMPTS * 7, list(range(21)))
    assert together == [written([prompt], [seed])[0] for seed, prompt in enumerate(PROMPTS * 7)]
    assert len(set(together)) > 10


def test_guidance_changes_the_drawing(folder: Path, model: Miniature) -> None:
    plain = Miniature(Miniature.Settings(weights=folder, steps=3, guidance=1))
    assert plain.paint(PROMPTS, [1, 2, 3])[0].image.tobytes() != model.paint(PROMPTS, [1, 2, 3])[0].image.tobytes()
    assert plain.identity() != model.identity()


@pytest.mark.parametrize(
    "change", [{"remembers": True}, {"marked": True}, {"rope_base": 1.0}, {"words": [*reversed(VOCABULARY)]}]
)
def test_the_config_is_part_of_the_identity(folder: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    first = Miniature(Miniature.Settings(weights=tmp_path)).identity()
    assert first == Miniature(Miniature.Settings(weights=folder)).identity()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    assert Miniature(Miniature.Settings(weights=tmp_path)).identity() != first


def test_its_estimate_grows_with_the_work() -> None:
    def estimate(variant: Variant, **settings: float) -> float:
        return Miniature(Miniature.Settings(**settings)).estimate(variant)

    single, process = estimate(SinglePass()), estimate(Process(max_iterations=3))
    assert single < estimate(TextCot()) < process
    assert estimate(Process(max_iterations=6)) == pytest.approx(2 * process)
    assert estimate(Process(max_iterations=3, refine=False)) < process
    assert estimate(SinglePass(), steps=16) == pytest.approx(2 * single)
    assert estimate(SinglePass(), guidance=2) == pytest.approx(2 * single)


def test_it_looks_at_images_of_any_size_and_mode(model: Miniature) -> None:
    contexts = model.start(2)
    model.look(contexts, [Image.new("L", (31, 200)), Image.new("RGBA", (500, 20))])
    assert [context.length for context in contexts] == [16, 16]


@pytest.mark.parametrize("prompt", ["", "a photo of a quokka", "a dog and " * 40 + "a cat"])
def test_prompts_that_it_cannot_take(model: Miniature, prompt: str) -> None:
    with pytest.raises(SampleError):
        model.check(prompt)


def test_a_missing_or_broken_checkpoint_is_one_clear_line(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(WeightsError, match="no weights folder"):
        Miniature(Miniature.Settings(weights=tmp_path / "none")).identity()
    (tmp_path / "config.json").write_text((folder / "config.json").read_text().replace('"depth": 3', '"depth": 2'))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="not a checkpoint of the miniature"):
        Miniature(Miniature.Settings(weights=tmp_path)).start(1)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"width": 6_000_000}))
    with pytest.raises(WeightsError, match="size mismatch"):
        Miniature(Miniature.Settings(weights=tmp_path)).start(1)
    for torn in (b"", b"\x80\x04\x95" + b"a pickle " * 99, (folder / "model.safetensors").read_bytes()[:5000]):
        (tmp_path / "model.safetensors").write_bytes(torn)
        with pytest.raises(WeightsError, match="not a checkpoint of the miniature"):
            Miniature(Miniature.Settings(weights=tmp_path)).start(1)


@pytest.mark.slow
def test_the_shipped_model_plans_draws_and_inspects() -> None:
    """Every variant gets simple prompts right, by GenEval's own question to the embedded scorers."""
    from evalharness.benchmarks.geneval.benchmark import GenEval
    from evalharness.benchmarks.geneval.prompts import generate
    from evalharness.types.item import Item

    lines = [line for line in generate(n=8, seed=7) if line["tag"] in ("two_object", "colors", "color_attr")]
    items = [Item(str(i), line["prompt"], line["tag"], line) for i, line in enumerate(lines)]
    model, scorer = Miniature(), GenEval(GenEval.Settings()).scorer()
    for variant in (SinglePass(), TextCot(), Process()):
        made = variants.run(variant, model, [item.prompt for item in items], range(len(items)))
        images = [Image.open(io.BytesIO(trajectory.image or b"")) for trajectory in made]
        right = [score.value for score in scorer.score(images, items)]
        assert sum(right) / len(right) >= 0.75, variant
