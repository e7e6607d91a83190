"""What a checkpoint folder may lack: each is one line that names it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import load_file, save_file

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from evalharness.errors import ConfigError, WeightsError
from evalharness.models.bagel import memory
from evalharness.models.bagel.files import find_files
from evalharness.models.bagel.images import fitted_size, on_white, to_image, to_tensor
from evalharness.models.bagel.loading import load
from evalharness.models.bagel.memory import Placement
from evalharness.models.bagel.plugin import Bagel
from evalharness.models.bagel.sampler import Sampler
from evalharness.models.bagel.vision import from_patches, to_patches

CPU = Placement([torch.device("cpu")])
Change = Callable[[dict[str, np.ndarray]], object]


@pytest.fixture
def folder(bagel_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bagel_folder, tmp_path / "copy"))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load(find_files(folder), torch.float32, CPU)
    assert "\n" not in str(caught.value)


def rewrite(path: Path, change: Change) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize("name", ["ema.safetensors", "ae.safetensors", "llm_config.json", "vit_config.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"lacks {name}")
    with pytest.raises(WeightsError, match=f"lacks {name}"):
        Bagel(Bagel.Settings(weights=folder)).identity()


def test_no_folder_and_no_vocabulary(folder: Path) -> None:
    refused(folder / "none", "no weights folder")
    (folder / "merges.txt").unlink()
    with pytest.raises(WeightsError, match=r"lacks tokenizer\.json, or vocab\.json and merges\.txt"):
        Bagel(Bagel.Settings(weights=folder)).identity()


@pytest.mark.parametrize("file", ["ema.safetensors", "ae.safetensors"])
@pytest.mark.parametrize("kept", [0, 5, 4000, -1])
def test_a_torn_file(folder: Path, file: str, kept: int) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, f"{file} is not a whole safetensors file")


def test_a_pickle_is_not_read(folder: Path) -> None:
    torch.save({}, folder / "ema.safetensors")
    refused(folder, "not a whole safetensors file")


@pytest.mark.parametrize("file", ["ema.safetensors", "ae.safetensors"])
def test_missing_and_misshapen_weights_are_named_and_surplus_ones_reported(
    folder: Path, bagel_folder: Path, file: str
) -> None:
    names = sorted(name for name in load_file(folder / file) if name.endswith("weight") and "conv_in" not in name)
    missing, wrong = names[3], names[5]
    rewrite(folder / file, lambda tensors: tensors.pop(missing))
    refused(folder, f"lacks {missing}")
    shutil.copy(bagel_folder / file, folder)
    rewrite(folder / file, lambda tensors: tensors.update({"more.weight": np.zeros(2, np.float32)}))
    load(find_files(folder), torch.float32, CPU)
    model = Bagel(Bagel.Settings(weights=folder))
    assert model.warnings() == ["1 weights of the checkpoint are not used: more.weight"]
    assert Bagel(Bagel.Settings(weights=bagel_folder)).warnings() == []
    shutil.copy(bagel_folder / file, folder)
    rewrite(folder / file, lambda tensors: tensors.update({wrong: tensors[wrong][1:].copy()}))
    refused(folder, f"{wrong} has shape .*, not ")


def test_another_model_s_weights(folder: Path) -> None:
    save_file({"model.weight": np.zeros(2, np.float32)}, folder / "ae.safetensors")
    refused(folder, r"ae\.safetensors holds no FLUX autoencoder")


def test_tables_of_places_may_be_left_out(folder: Path, bagel_folder: Path) -> None:
    """Their size is then the published one."""
    rewrite(folder / "ema.safetensors", lambda tensors: tensors.pop("latent_pos_embed.pos_embed"))
    rewrite(folder / "ema.safetensors", lambda tensors: tensors.pop("vit_pos_embed.pos_embed"))
    network, _ = load(find_files(folder), torch.float32, CPU)
    complete, _ = load(find_files(bagel_folder), torch.float32, CPU)
    assert network.sizes.latent_side == 64
    assert complete.sizes.latent_side == 8
    assert torch.equal(network.vit_pos_embed.pos_embed, complete.vit_pos_embed.pos_embed)
    assert torch.equal(network.latent_pos_embed(8, 8), complete.latent_pos_embed(8, 8))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("llm_config.json", {"hidden_size": None}, "llm_config.json: key 'hidden_size' is missing"),
        ("llm_config.json", {"hidden_size": 66}, "do not divide"),
        (
            "llm_config.json",
            {"num_hidden_layers": 2},
            r"has language_model\.model\.layers\.2\..* more, but .*llm_config\.json says 2 layers",
        ),
        ("llm_config.json", {"vocab_size": 10**9}, "vocab_size"),
        ("llm_config.json", {"vocab_size": 900_000, "hidden_size": 800_000}, "has shape"),
        ("llm_config.json", {"rope_scaling": {"type": "yarn"}}, "rope_scaling"),
        ("vit_config.json", {"num_hidden_layers": 1}, "num_hidden_layers"),
        ("vit_config.json", {"hidden_act": "relu"}, "hidden_act"),
    ],
)
def test_a_json_file_that_says_something_else(folder: Path, file: str, change: Any, message: str) -> None:
    content = json.loads((folder / file).read_text()) | change
    (folder / file).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    refused(folder, message)


def test_what_is_not_json(folder: Path) -> None:
    (folder / "llm_config.json").write_text("{")
    refused(folder, r"llm_config\.json.*JSON")


def test_either_kind_of_vocabulary_file(folder: Path) -> None:
    """``tokenizer.json`` alone, or with the others, gives the same tokens."""
    from transformers import Qwen2Tokenizer

    from evalharness.models.bagel.tokens import Tokens

    text = "a photo of the dog<|im_end|> in Ünïcode\n 1234"
    parts = Tokens(folder, 276)
    Qwen2Tokenizer.from_pretrained(folder).backend_tokenizer.save(str(folder / "tokenizer.json"))
    both = Tokens(folder, 276)
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()
    tokens = Tokens(folder, 276)
    assert parts.encode(text) == both.encode(text) == tokens.encode(text)
    assert parts.markers == both.markers == tokens.markers
    assert tokens.decode(tokens.encode(text)) == text


def test_a_tokenizer_with_more_tokens_than_the_network(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["added_tokens_decoder"]["275"]
    config["additional_special_tokens"].remove("<|vision_end|>")
    config["added_tokens_decoder"]["275"] = config["added_tokens_decoder"]["274"] | {"content": "<|other|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"more tokens than llm_config\.json says \(276\)"):
        Bagel(Bagel.Settings(weights=folder, device="cpu", height=64, width=64)).start(1)


def test_a_device_that_is_too_small(bagel_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10 * 2**20)
    refused(bagel_folder, r"cpu is too small: 0\.0 GiB are needed \(weights in float32, and 0\.00 GiB for a context")


def test_dtypes(bagel_folder: Path) -> None:
    network, autoencoder = load(find_files(bagel_folder), torch.bfloat16, CPU)
    kinds = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    assert kinds["llm2vae.weight"] == kinds["language_model.lm_head.weight"] == torch.bfloat16
    assert all(kinds[name] == torch.float32 for name in kinds if "norm" in name or "pos_embed" in name)
    assert {tensor.dtype for tensor in autoencoder.state_dict().values()} == {torch.float32}


def test_a_device_that_is_not_there(bagel_folder: Path) -> None:
    with pytest.raises(ConfigError, match="device 'cuda:7' cannot be used here"):
        Bagel(Bagel.Settings(weights=bagel_folder, device="cuda:7", height=64, width=64)).start(1)


# --- layouts ---


def split(folder: Path, names: tuple[str, str]) -> None:
    """Put the network's weights into two files."""
    tensors = load_file(folder / "ema.safetensors")
    ordered = sorted(tensors)
    for name, part in zip(names, (ordered[:50], ordered[50:]), strict=True):
        save_file({tensor: tensors[tensor] for tensor in part}, folder / name)
    (folder / "ema.safetensors").unlink()


def drawn(weights: Path, **settings: Any) -> bytes:
    small_images = {"height": 64, "width": 48, "steps": 3, "vae_sizes": (64, 32), "vit_sizes": (56, 28)}
    chosen = {"weights": weights, "dtype": "float32", "device": "cpu", **small_images, **settings}
    return Bagel(Bagel.Settings.model_validate(chosen)).paint(["a dog"], [1])[0].image.tobytes()


@pytest.mark.parametrize("indexed", [True, False])
def test_parts_are_one_network(folder: Path, bagel_folder: Path, indexed: bool) -> None:
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    split(folder, names)
    if indexed:
        index = {"weight_map": {"a": names[0], "b": names[1]}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert drawn(folder) == drawn(bagel_folder)
    (folder / names[1]).unlink()
    refused(folder, f"lacks {names[1]}, which" if indexed else "lacks .* more")


def test_two_files_with_the_same_weights_are_not_parts(folder: Path) -> None:
    shutil.copy(folder / "ema.safetensors", folder / "model_a.safetensors")
    (folder / "ema.safetensors").rename(folder / "model_b.safetensors")
    refused(folder, r"model_b\.safetensors has .* more, which another file of .* has, too")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": 1}', '{"weight_map": {"a": 1}}'])
def test_an_index_that_is_none(folder: Path, content: str) -> None:
    (folder / "ema.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(content)
    refused(folder, "is no index of safetensors files")


def test_what_a_trainer_wrote_is_read_beside_its_base(bagel_folder: Path, tmp_path: Path) -> None:
    """Averaged weights if there are any, those as trained if they are asked for; all else from the base."""
    output = tmp_path / "0002000"
    output.mkdir()
    tensors = load_file(bagel_folder / "ema.safetensors")
    save_file(tensors, output / "model.safetensors")
    refused(output, r"lacks ae\.safetensors; for what a trainer wrote, set `base:`")
    assert drawn(output, base=bagel_folder) == drawn(bagel_folder)
    with pytest.raises(WeightsError, match=r"lacks ema\*\.safetensors"):
        drawn(output, base=bagel_folder, ema=True)
    (output / "optimizer.00000-of-00008.pt").write_bytes(b"not read")
    tensors["llm2vae.weight"] = 2 * tensors["llm2vae.weight"]
    save_file(tensors, output / "ema.safetensors")
    averaged, trained = drawn(output, base=bagel_folder), drawn(output, base=bagel_folder, ema=False)
    assert trained == drawn(bagel_folder) != averaged
    identities = [
        Bagel(Bagel.Settings(weights=output, base=bagel_folder, ema=ema)).identity()["weights"] for ema in (True, False)
    ]
    assert len({*identities, Bagel(Bagel.Settings(weights=bagel_folder)).identity()["weights"]}) == 3
    with pytest.raises(WeightsError, match=r"lacks vit_config\.json, and so does its base"):
        empty = tmp_path / "empty"
        empty.mkdir()
        shutil.copy(bagel_folder / "ae.safetensors", empty)
        shutil.copy(bagel_folder / "llm_config.json", empty)
        find_files(output, empty)


def test_a_published_folder_has_the_digest_of_its_files(bagel_folder: Path) -> None:
    """As ``sha256sum`` prints them, by name: identities of before hold."""
    names = sorted(path.name for path in bagel_folder.iterdir())
    sums = "".join(f"{hashlib.sha256((bagel_folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    assert find_files(bagel_folder).digest() == hashlib.sha256(sums.encode()).hexdigest()


# --- images and times ---


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_fitted_image_has_whole_patches_and_is_not_too_large(width: int, height: int) -> None:
    new = fitted_size(width, height, 1024, 512, 16)
    assert all(side % 16 == 0 and 16 <= side <= 1024 for side in new)
    assert fitted_size(*new, 1024, 512, 16)[0] % 16 == 0


def test_what_is_transparent_is_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert on_white(image).tobytes() == bytes([255, 0, 0, 255, 255, 255])


def test_pixels_and_patches_go_there_and_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 42, 3), dtype=np.uint8)
    tensor = to_tensor(Image.fromarray(pixels))
    patches = to_patches(tensor, 14)
    assert patches.shape == (6, 588)
    assert torch.equal(from_patches(patches, 14, 2, 3), tensor)
    assert np.abs(np.asarray(to_image(tensor), int) - pixels).max() <= 1


def test_times_and_where_guidance_is() -> None:
    """Closed form: t = s u / (1 + (s − 1) u) for u = 1, 0.75, 0.5, 0.25, 0; the last is no evaluation."""
    sampler = Sampler(steps=5, shift=3.0, interval=(0.5, 0.9))
    times = [3 * u / (1 + 2 * u) for u in (1, 0.75, 0.5, 0.25, 0)]
    assert [time for time, _ in sampler.times()] == pytest.approx(times[:-1])
    assert sum(step for _, step in sampler.times()) == pytest.approx(1)
    assert [sampler.guided(time) for time, _ in sampler.times()] == [False, True, True, False]
    assert not Sampler(text_scale=1.0).guided(0.5)
    assert not Sampler(interval=(0.4, 1.0)).guided(float(np.float32(0.4)))
