"""From MMDetection's names to transformers' and back, without MMDetection."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet_names import as_2x
from PIL import Image
from safetensors.torch import load_file

from evalharness.assets.weights_folder import embedded_weights
from evalharness.cli import main
from evalharness.detectors import checkpoint, coco, convert
from evalharness.detectors.mask2former_transformers import Mask2Former
from evalharness.errors import ConfigError, WeightsError

Tensors = dict[str, torch.Tensor]
Save = Callable[[object], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(content: object) -> Path:
        torch.save(content, tmp_path / "in.pth")
        return tmp_path / "in.pth"

    return write


def unfolded(state: Tensors) -> Tensors:
    """The file of the embedded detector as floats, without what transformers alone has."""
    return {key: value.float() for key, value in state.items() if not convert.TRANSFORMERS_ONLY.search(key)}


def picture(seed: int, width: int = 80, height: int = 56) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


# --- names ---


def test_there_and_back_again() -> None:
    original = unfolded(load_file(embedded_weights("detector") / "model.safetensors"))
    converted = convert.to_mmdet(original)
    back = {key: value for key, value in convert.to_transformers(converted).items() if "swin.layernorm" not in key}
    assert back.keys() == original.keys()
    assert all(torch.equal(back[key], original[key]) for key in original)


def test_a_module_has_other_names_than_its_checkpoint(detector_folder: Path) -> None:
    from transformers import Mask2FormerForUniversalSegmentation

    module = Mask2FormerForUniversalSegmentation.from_pretrained(detector_folder).state_dict()
    file = load_file(detector_folder / "model.safetensors")
    assert module.keys() != file.keys()
    of_module, of_file = convert.to_mmdet(module), convert.to_mmdet(file)
    assert of_module.keys() == of_file.keys()
    assert all(torch.equal(of_module[key], of_file[key]) for key in of_file)


def test_the_names_of_2x() -> None:
    renamed = {
        "backbone.stages.0.blocks.0.ffn.layers.0.0.weight": "backbone.stages.0.blocks.0.ffn.layers.0.0.weight",
        "panoptic_head.pixel_decoder.encoder.layers.5.attentions.0.value_proj.bias": (
            "panoptic_head.pixel_decoder.encoder.layers.5.self_attn.value_proj.bias"
        ),
        "panoptic_head.pixel_decoder.encoder.layers.5.ffns.0.layers.1.weight": (
            "panoptic_head.pixel_decoder.encoder.layers.5.ffn.layers.1.weight"
        ),
        "panoptic_head.transformer_decoder.layers.8.attentions.0.attn.in_proj_bias": (
            "panoptic_head.transformer_decoder.layers.8.cross_attn.attn.in_proj_bias"
        ),
        "panoptic_head.transformer_decoder.layers.8.attentions.1.attn.out_proj.weight": (
            "panoptic_head.transformer_decoder.layers.8.self_attn.attn.out_proj.weight"
        ),
    }
    assert list(convert.upgrade(dict.fromkeys(renamed, torch.zeros(1)))) == list(renamed.values())
    assert list(convert.upgrade(dict.fromkeys(renamed.values(), torch.zeros(1)))) == list(renamed.values())


def test_patches_are_merged_in_the_order_of_each_program() -> None:
    channels = 3
    image = torch.arange(channels * 4.0).reshape(1, channels, 2, 2)
    mmdet = torch.nn.Unfold(2, stride=2)(image).flatten()
    pixels = image[0].permute(1, 2, 0)
    transformers = torch.cat([pixels[0, 0], pixels[1, 0], pixels[0, 1], pixels[1, 1]])
    key = "backbone.stages.1.downsample.norm.weight"
    (converted,) = convert.to_transformers({key: mmdet}).values()
    assert torch.equal(converted, transformers)
    assert torch.equal(convert.to_mmdet(convert.to_transformers({key: mmdet}))[key], mmdet)


def test_what_is_not_such_a_network() -> None:
    with pytest.raises(WeightsError, match=r"no tensor 'backbone.layer1"):
        convert.to_transformers({"backbone.layer1.0.conv1.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="no tensor 'lm_head"):
        convert.to_mmdet({"lm_head.weight": torch.zeros(1)})
    key = "model.transformer_module.decoder.layers.0.self_attn.q_proj.weight"
    with pytest.raises(WeightsError, match="1 of the 3 parts"):
        convert.to_mmdet({key: torch.zeros(1)})


# --- files ---


@pytest.mark.parametrize("old", [False, True], ids=["3.x", "2.x"])
def test_a_converted_checkpoint_detects_the_same(detector_folder: Path, tmp_path: Path, save: Save, old: bool) -> None:
    state = convert.to_mmdet(load_file(detector_folder / "model.safetensors"))
    classes = ("person", "mouse", "dog")
    meta = {"CLASSES": classes} if old else {"dataset_meta": {"classes": list(classes), "palette": [(1, 2, 3)]}}
    file = save({"state_dict": as_2x(state) if old else state, "meta": meta})
    assert main.main(["convert-detector", str(file), str(tmp_path / "out" / "folder")]) == 0
    folder = tmp_path / "out" / "folder"
    assert {path.name for path in folder.parent.iterdir()} == {"folder"}
    assert list(json.loads((folder / "config.json").read_text())["id2label"].values()) == [
        "person",
        "computer mouse",
        "dog",
    ]
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # who may read one file, may read all
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    assert processor["size"] == {"shortest_edge": 800, "longest_edge": 1333}
    assert (processor["size_divisor"], processor["image_mean"]) == (32, [0.485, 0.456, 0.406])
    # The same preprocessing, a small one, on both sides.
    (folder / "preprocessor_config.json").write_bytes((detector_folder / "preprocessor_config.json").read_bytes())
    converted, original = (
        Mask2Former(Mask2Former.Settings(weights=path, device="cpu")) for path in (folder, detector_folder)
    )
    assert converted.detect([picture(0)]) == original.detect([picture(0)])


def test_coco_is_what_a_checkpoint_means_that_does_not_say(save: Save) -> None:
    assert checkpoint.read(save({"x": torch.zeros(1)})).classes[64] == "computer mouse"
    assert len(set(coco.CLASSES)) == 80


def test_a_program_in_a_checkpoint_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": {}, "meta": Bomb()}, tmp_path / "bomb.pth")
    assert main.main(["convert-detector", str(tmp_path / "bomb.pth"), str(tmp_path / "out")]) == 2
    assert "more than tensors and plain values" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"a": 1}}, {"state_dict": {}}, {}], ids=str)
def test_no_state_dict(content: object, save: Save) -> None:
    with pytest.raises(WeightsError, match="no state_dict"):
        checkpoint.read(save(content))


def test_torn_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint"):
        checkpoint.read(tmp_path / "none.pth")
    buffer = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, buffer)
    (tmp_path / "torn.pth").write_bytes(buffer.getvalue()[:2000])
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    (tmp_path / "text.pth").write_bytes(pickle.dumps("text")[:-1])
    for name in ("torn.pth", "torn.safetensors", "text.pth"):
        with pytest.raises(WeightsError, match=name):
            checkpoint.read(tmp_path / name)


def test_a_folder_appears_whole_or_not_at_all(detector_folder: Path, tmp_path: Path, save: Save) -> None:
    state = convert.to_mmdet(load_file(detector_folder / "model.safetensors"))
    del state["panoptic_head.mask_embed.2.bias"]
    file = save({"state_dict": state, "meta": {"CLASSES": ("person", "mouse", "dog")}})
    with pytest.raises(WeightsError, match="lacks 1 tensors"):
        checkpoint.to_folder(file, tmp_path / "out")
    with pytest.raises(WeightsError, match="3 classes apart, but names 80"):
        checkpoint.to_folder(save({"state_dict": state}), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"in.pth"}
    with pytest.raises(ConfigError, match="there already"):
        checkpoint.to_folder(file, tmp_path)
