"""``weights: official``: fetched, converted, found; on tiny networks in files of the published layouts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from detector_fixtures import TINY_CLIP
from mmdet_names import as_2x
from PIL import Image
from safetensors.torch import load_file, save_file

from evalharness._util.file_digests import file_digest
from evalharness.api.detector import Detection
from evalharness.assets.asset import Asset
from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.cli import main
from evalharness.detectors import convert, geneval_weights
from evalharness.detectors.colors import ColorClassifier
from evalharness.detectors.mask2former_transformers import Mask2Former
from evalharness.errors import WeightsError

Fetch = Callable[[], int]


@pytest.fixture
def fetch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, detector_folder: Path, clip_architectures: dict[str, Any]
) -> Fetch:
    """``evalharness fetch geneval`` from a mirror in which small files have the published names."""
    mirror = tmp_path / "mirror"
    (mirror / "geneval").mkdir(parents=True)

    def publish(name: str) -> Path:
        return mirror / "geneval" / name

    state = convert.to_mmdet(load_file(detector_folder / "model.safetensors"))
    checkpoint = {"state_dict": as_2x(state), "meta": {"CLASSES": ("person", "mouse", "dog"), "epoch": 50}}
    torch.save(checkpoint, publish(geneval_weights.MASK2FORMER.name))
    clip_architectures[geneval_weights.CLIP_ARCHITECTURE] = TINY_CLIP
    torch.manual_seed(1)
    save_file(open_clip.CLIP(**TINY_CLIP).state_dict(), publish(geneval_weights.CLIP.name))

    def small(asset: Asset) -> Asset:
        return replace(asset, sha256=file_digest(publish(asset.name)), size=None)

    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(geneval_weights, "MASK2FORMER", small(geneval_weights.MASK2FORMER))
    monkeypatch.setattr(geneval_weights, "CLIP", small(geneval_weights.CLIP))
    monkeypatch.setattr(GenEval, "assets", (geneval_weights.MASK2FORMER, geneval_weights.CLIP))
    return lambda: main.main(["fetch", "geneval", "--mirror", str(mirror)])


def pictures(number: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (56, 80, 3), dtype=np.uint8)) for _ in range(number)]


def test_the_detector_by_transformers(fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tested = Mask2Former(Mask2Former.Settings.model_validate({"weights": "official", "device": "cpu"}))
    with pytest.raises(WeightsError, match=r"743b7d99.pth has not been fetched and converted; do so with: evalharness"):
        tested.identity()
    assert fetch() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == str(Path(lines[0]).with_suffix(""))
    assert main.main(["convert-detector", lines[0], str(tmp_path / "by hand")]) == 0
    other = Mask2Former(Mask2Former.Settings(weights=tmp_path / "by hand", device="cpu"))
    assert tested.identity() == other.identity()
    detections = tested.detect(pictures(2))
    assert detections == other.detect(pictures(2))
    assert all(detections)
    Path(lines[0]).unlink()
    assert tested.identity() == other.identity(), "what is converted needs its source no more"


@pytest.mark.slow
def test_the_detector_by_mmdetection(fetch: Fetch, tmp_path: Path) -> None:
    pytest.importorskip("mmdet")
    from evalharness.detectors import architecture
    from evalharness.detectors.mask2former_mmdet import Mask2FormerMMDet

    settings: dict[str, Any] = {"weights": "official", "device": "cpu"}
    with pytest.raises(WeightsError, match=r"743b7d99.pth has not been fetched; do so with: evalharness fetch geneval"):
        Mask2FormerMMDet(Mask2FormerMMDet.Settings(**settings)).identity()
    assert fetch() == 0
    # The tiny network's shape, in place of the Swin-S that belongs to the published file.
    names = ("config.json", "preprocessor_config.json")
    parts = [json.loads((geneval_weights.mask2former_folder() / name).read_text()) for name in names]
    config = architecture.mmdet_config(*parts)
    (tmp_path / "tiny.py").write_text("".join(f"{key} = {value!r}\n" for key, value in config.items()))
    tested = Mask2FormerMMDet(Mask2FormerMMDet.Settings(**settings, config=tmp_path / "tiny.py"))
    assert tested.identity()["weights"] == geneval_weights.MASK2FORMER.sha256
    by_path = {"weights": geneval_weights.mask2former_file(), "device": "cpu", "config": tmp_path / "tiny.py"}
    other = Mask2FormerMMDet(Mask2FormerMMDet.Settings(**by_path))
    (detections,) = tested.detect(pictures(1))
    assert [detections] == other.detect(pictures(1))
    assert {detection.cls for detection in detections} <= {"person", "computer mouse", "dog"}
    assert detections


def test_the_clip(fetch: Fetch) -> None:
    colors, templates = ("red", "green", "blue"), ("a photo of a {color} {cls}",)
    tested = ColorClassifier(ColorClassifier.Settings(weights="official", device="cpu"), colors, templates)
    with pytest.raises(WeightsError, match=r"has not been fetched; do so with: evalharness fetch geneval"):
        tested.identity()
    assert fetch() == 0
    assert tested.identity() == {
        "name": "clip", "architecture": "ViT-L-14-quickgelu", "weights": geneval_weights.CLIP.sha256,
        "precision": "float32",
    }  # fmt: skip
    by_file = {"architecture": "ViT-L-14-quickgelu", "weights": geneval_weights.clip_file()}
    other = ColorClassifier(ColorClassifier.Settings(**by_file, device="cpu"), colors, templates)
    objects = [(image, Detection("dog", (5, 5, 40, 40), 0.9)) for image in pictures(6)]
    assert tested.classify(objects) == other.classify(objects)
    assert "QuickGELU" in str(tested.load()[0])


def test_an_architecture_beside_the_official_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="an architecture needs either weights"):
        ColorClassifier.Settings(architecture="ViT-L-14", weights="official")


def test_a_sweep_says_at_once_what_is_not_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVALHARNESS_CACHE", str(tmp_path / "cache"))
    networks: dict[str, Any] = {"detector": {"name": "mask2former", "weights": "official"}}
    for given in (networks, {"colors": {"weights": "official"}}, {"prompts": "rewritten"}):
        sweep = {
            "name": "x",
            "model": "miniature",
            "benchmarks": [{"name": "geneval", **given}],
            "arms": [{"name": "single-pass", "variant": "single_pass"}],
        }
        (tmp_path / "x.yaml").write_text(json.dumps(sweep))
        assert main.main(["sweep", str(tmp_path / "x.yaml"), "--store", str(tmp_path / "store")]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert message.endswith("has not been fetched; do so with: evalharness fetch geneval\n") or (
            "has not been fetched and converted" in message
        )


def test_the_published_clip_is_of_the_size_that_its_architecture_has() -> None:
    """Header and float32 tensors of a ViT-L/14, to the byte: what was published is that state dict and no more."""
    with torch.device("meta"):
        model = open_clip.CLIP(**open_clip.get_model_config(geneval_weights.CLIP_ARCHITECTURE))
    header: dict[str, Any] = {}
    end = 0
    for name, value in sorted(model.state_dict().items()):
        start, end = end, end + 4 * value.numel()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, end]}
    text = len(json.dumps(header, separators=(",", ":")))
    assert geneval_weights.CLIP.size == 8 + -(-text // 8) * 8 + end


def test_names_and_digests_agree() -> None:
    assert Path(geneval_weights.MASK2FORMER.name).stem.endswith(f"-{geneval_weights.MASK2FORMER.sha256[:8]}")
    assert geneval_weights.MASK2FORMER.url.endswith(f"/{geneval_weights.MASK2FORMER.name}")
    assert all(len(asset.sha256) == 64 for asset in GenEval.assets)


def test_a_tag_is_found_in_the_hub_s_cache_without_a_network(
    fetch: Fetch, clip_architectures: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as hub

    folder = Path(os.environ["EVALHARNESS_CACHE"]) / "hub" / "models--timm--vit_large_patch14_clip_224.openai"
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(folder.parent))
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    clip_architectures["ViT-L-14"] = {**TINY_CLIP, "quick_gelu": False}
    settings = ColorClassifier.Settings(architecture="ViT-L-14", pretrained="openai", device="cpu")
    tested = ColorClassifier(settings, ("red", "green"), ("a photo of a {color} {cls}",))
    with pytest.raises(WeightsError, match="cannot download CLIP ViT-L-14 openai"):
        tested.identity()
    assert fetch() == 0
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    shutil.copy(geneval_weights.clip_file(), snapshot / "open_clip_model.safetensors")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    assert tested.identity()["weights"] == geneval_weights.CLIP.sha256
    other = ColorClassifier(ColorClassifier.Settings(weights="official", device="cpu"), tested.colors, tested.templates)
    objects = [(image, Detection("dog", (5, 5, 40, 40), 0.9)) for image in pictures(6)]
    assert tested.classify(objects) == other.classify(objects)
    features = [classifier.load()[0].encode_image(torch.ones(1, 3, 32, 32)) for classifier in (tested, other)]
    assert torch.equal(*features), "QuickGELU in both"
