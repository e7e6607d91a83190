import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from detector_fixtures import TINY_CLIP
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file

from evalharness.api.detector import Detection
from evalharness.detectors import colors
from evalharness.detectors.colors import ColorClassifier, crop
from evalharness.errors import WeightsError

COLORS = ("red", "green", "blue")
TEMPLATES = ("a photo of a {color} {cls}", "a photo of a {color}-colored {cls}", "a photo of a {color} object")


def classifier(**settings: Any) -> ColorClassifier:
    return ColorClassifier(ColorClassifier.Settings(device="cpu", **settings), COLORS, TEMPLATES)


def objects(number: int) -> list[tuple[Image.Image, Detection]]:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(number)]
    mask = rng.random((20, 30)) < 0.7
    return [
        (image, Detection(("dog", "cat")[index % 2], (5, 10, 35, 30), 0.9, mask)) for index, image in enumerate(images)
    ]


def test_grey_outside_the_mask_and_cut_to_the_box() -> None:
    image = Image.new("RGB", (6, 5), "red")
    mask = np.array([[True, False, True], [False, True, True]])
    cut = np.asarray(crop(image, Detection("dog", (2, 1, 5, 3), 0.9, mask)))
    assert cut.shape == (2, 3, 3)
    assert cut[mask].tolist() == [[255, 0, 0]] * 4
    assert cut[~mask].tolist() == [[0x99] * 3] * 2
    assert crop(image, Detection("dog", (2, 1, 5, 3), 0.9)).getpixel((0, 1)) == (255, 0, 0)


def test_against_open_clip_by_hand(clip_folder: Path) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip_folder}")
    model.eval()

    def unit(vector: torch.Tensor) -> torch.Tensor:
        return vector / vector.norm()

    expected = []
    with torch.no_grad():
        for image, detection in objects(8):
            picture = unit(model.encode_image(transform(crop(image, detection))[None])[0])
            similarities = []
            for color in COLORS:
                texts = [template.format(color=color, cls=detection.cls) for template in TEMPLATES]
                mean = torch.stack([unit(model.encode_text(tokenizer([text]))[0]) for text in texts]).mean(0)
                similarities.append((picture @ unit(mean)).item())
            expected.append(COLORS[int(np.argmax(similarities))])
    tested = classifier(weights=clip_folder)
    assert tested.classify(objects(8)) == expected
    assert set(tested.heads) == {"dog", "cat"}


def test_the_published_precision_by_hand(clip_folder: Path) -> None:
    """As clip_benchmark does it: embeddings under autocast, means in float32, products of float16 times 100."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip_folder}")
    model.eval()
    expected = []
    with torch.no_grad(), torch.autocast("cpu", torch.float16):
        for image, detection in objects(8):
            weights = []
            for color in COLORS:
                texts = [template.format(color=color, cls=detection.cls) for template in TEMPLATES]
                embeddings = model.encode_text(tokenizer(texts))
                assert embeddings.dtype == torch.float16
                mean = torch.nn.functional.normalize(embeddings.float(), dim=-1).mean(dim=0)
                weights.append(mean / mean.norm())
            features = torch.nn.functional.normalize(
                model.encode_image(transform(crop(image, detection))[None]).float()
            )
            products = (100 * features) @ torch.stack(weights, dim=1)
            assert products.dtype == torch.float16
            expected.append(COLORS[int(products.float().argmax())])
    assert classifier(weights=clip_folder, precision="published").classify(objects(8)) == expected


def test_near_colors_tie_in_the_published_precision_and_the_first_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    cosines = torch.tensor([0.25, 0.25005, 0.2])

    class Angles(torch.nn.Module):
        """Embeds every image along the first axis, and a text at the angle of its color."""

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0]]).expand(len(pixels), 2)

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.stack([cosines[tokens], (1 - cosines[tokens] ** 2).sqrt()], dim=1)

    def tokenizer(texts: list[str]) -> torch.Tensor:
        return torch.tensor([next(index for index, color in enumerate(COLORS) if color in text) for text in texts])

    monkeypatch.setattr(colors, "load", lambda *_: (Angles(), lambda image: torch.zeros(3), tokenizer))
    settings: dict[str, Any] = {"architecture": "ViT-L-14", "pretrained": "openai"}
    assert classifier(**settings).classify(objects(1)) == ["green"]
    assert classifier(**settings, precision="published").classify(objects(1)) == ["red"]


def test_the_precision_is_part_of_the_identity(clip_folder: Path) -> None:
    identities = [classifier(weights=clip_folder, precision=name).identity() for name in ("float32", "published")]
    assert [identity.pop("precision") for identity in identities] == ["float32", "float16 autocast"]
    assert identities[0] == identities[1]


def test_one_pass_for_all_objects(clip_folder: Path) -> None:
    tested = classifier(weights=clip_folder)
    model, _, _ = tested.load()
    passes = []
    model.visual.register_forward_hook(lambda _module, inputs, _output: passes.append(len(inputs[0])))
    tested.classify(objects(5))
    assert passes == [5]
    assert tested.classify([]) == []
    assert passes == [5]


def test_many_objects_go_in_passes_of_a_limited_size(clip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested = classifier(weights=clip_folder)
    together = tested.classify(objects(5))
    model, _, _ = tested.load()
    passes: list[int] = []
    model.visual.register_forward_hook(lambda _module, inputs, _output: passes.append(len(inputs[0])))
    monkeypatch.setattr(colors, "CPU_BATCH", 2)
    assert tested.classify(objects(5)) == together
    assert passes == [2, 2, 1]


def test_the_tokenizer_of_the_folder_tells_colors_apart(clip_folder: Path) -> None:
    _, _, tokenizer = classifier(weights=clip_folder).load()
    assert tokenizer(["a photo of a red dog"]).tolist() == [[2, 3, 4, 2, 7, 10, 0, 0, 0, 0, 0, 0]]


def test_an_architecture_with_a_file(clip_architectures: dict[str, Any], tmp_path: Path) -> None:
    clip_architectures["tiny-test"] = TINY_CLIP
    save_file(open_clip.CLIP(**TINY_CLIP).state_dict(), tmp_path / "tiny.safetensors")
    tested = classifier(architecture="tiny-test", weights=tmp_path / "tiny.safetensors")
    assert set(tested.classify(objects(2))) <= set(COLORS)
    assert tested.identity()["architecture"] == "tiny-test"


@pytest.mark.parametrize(
    "settings",
    [
        {"pretrained": "openai"},
        {"architecture": "ViT-L-14"},
        {"architecture": "ViT-L-14", "weights": "w.safetensors", "pretrained": "openai"},
        {"architecture": "ViT-L-14", "weights": "w.pt"},
        {"wieghts": "x"},
    ],
)
def test_settings_that_name_no_single_clip(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ColorClassifier.Settings.model_validate(settings)


def test_openai_tags_bring_their_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load(name: str, device: str, options: dict[str, Any]) -> tuple[Any, Any, Any]:
        calls.append((name, device, options))
        return torch.nn.Identity(), None, None

    monkeypatch.setattr(colors, "load", load)
    classifier(architecture="ViT-L-14", pretrained="openai").load()
    assert calls == [("ViT-L-14", "cpu", {"pretrained": "openai", "force_quick_gelu": True})]
    with pytest.raises(WeightsError, match="did you mean 'openai'"):
        classifier(architecture="ViT-L-14", pretrained="openia").load()


def test_incomplete_folders(clip_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights folder"):
        classifier(weights=tmp_path / "none").identity()
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match="cannot load the CLIP"):
        classifier(weights=folder).classify(objects(1))
    weights = (folder / "open_clip_model.safetensors").read_bytes()
    (folder / "open_clip_model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(WeightsError, match="cannot load the CLIP"):
        classifier(weights=folder).classify(objects(1))
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"lacks open_clip_model.safetensors"):
        classifier(weights=folder).classify(objects(1))


def test_features_are_the_embeddings_of_whole_images(clip_folder: Path) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    images = [image for image, _ in objects(3)]
    with torch.no_grad():
        embeddings = model.eval().encode_image(torch.stack([transform(image) for image in images]))
        expected = embeddings / embeddings.norm(dim=1, keepdim=True)
    found = classifier(weights=clip_folder).features(images)
    assert np.allclose(found, expected.numpy(), atol=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
