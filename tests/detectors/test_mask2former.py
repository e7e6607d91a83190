import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from evalharness._util.devices import pick_device
from evalharness.detectors import mask2former_transformers
from evalharness.detectors.mask2former_transformers import Mask2Former
from evalharness.detectors.mmdet_pipeline import (
    Sizes,
    best_instances,
    mask_instances,
    normalize,
    resize,
    target_size,
)
from evalharness.detectors.transformers_folder import load
from evalharness.errors import ConfigError, WeightsError


def picture(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def detector(folder: Path, **settings: object) -> Mask2Former:
    return Mask2Former(Mask2Former.Settings.model_validate({"weights": folder, "device": "cpu", **settings}))


# --- from queries to instances, against a plain reference ---


def bilinear(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Resize the last axis by linear interpolation between pixel centres, edges held."""
    length = values.shape[-1]
    at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, length - 1)
    return values[..., low] * (1 - (at - low)) + values[..., high] * (at - low)


def stretched(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    return bilinear(bilinear(values, width).swapaxes(-1, -2), height).swapaxes(-1, -2)


def test_masks_against_a_reference() -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 8, 12)))
    logits[3] = -1.0
    masks, scores, boxes = mask_instances(logits, Sizes(padded=(32, 48), resized=(30, 41), image=(61, 80)))
    assert masks.shape == (7, 61, 80)
    for index in range(7):
        full = stretched(stretched(logits[index].numpy(), 32, 48)[:30, :41], 61, 80)
        ys, xs = np.nonzero(full > 0)
        np.testing.assert_array_equal(masks[index], full > 0)
        if index == 3:
            assert boxes[index].tolist() == [0, 0, 0, 0]
            assert scores[index] == 0
        else:
            assert boxes[index].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert scores[index].item() == pytest.approx(np.mean(1 / (1 + np.exp(-full[full > 0]))), abs=1e-6)


def test_no_queries_at_all() -> None:
    masks, scores, boxes = mask_instances(torch.zeros(0, 8, 8), Sizes((32, 32), (32, 32), (20, 30)))
    assert (masks.shape, scores.shape, boxes.shape) == ((0, 20, 30), (0,), (0, 4))


def test_best_instances_against_a_reference() -> None:
    logits = np.random.default_rng(0).normal(size=(30, 9))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    pairs = sorted(((shares[query, label], label, query) for query in range(30) for label in range(8)), reverse=True)
    scores, labels, queries = best_instances(torch.from_numpy(logits))
    assert len(scores) == 100
    np.testing.assert_allclose(scores, [score for score, _, _ in pairs[:100]])
    assert list(zip(labels.tolist(), queries.tolist(), strict=True)) == [pair[1:] for pair in pairs[:100]]
    assert best_instances(torch.from_numpy(logits), 0.3)[0].tolist() == pytest.approx(
        [score for score, _, _ in pairs if score > 0.3]
    )


# --- before the network ---


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(1024, 1024, (800, 800)), (512, 512, (800, 800)), (768, 1024, (800, 1067)), (300, 900, (444, 1333))],
)
def test_sizes_as_mmdetection_rounds_them(height: int, width: int, expected: tuple[int, int]) -> None:
    assert target_size(height, width, {"shortest_edge": 800, "longest_edge": 1333}) == expected


def test_other_sizes() -> None:
    assert target_size(10, 20, {"height": 96, "width": 96}) == (96, 96)
    with pytest.raises(WeightsError, match="shortest_edge"):
        target_size(10, 20, {"shortest_edge": 96})


def test_pixels_are_normalised(detector_folder: Path) -> None:
    from transformers import Mask2FormerImageProcessor

    processor = Mask2FormerImageProcessor.from_pretrained(detector_folder)
    image = picture(64, 64, 0)
    expected = (np.asarray(image) - 255 * np.array([0.485, 0.456, 0.406])) / (255 * np.array([0.229, 0.224, 0.225]))
    result = normalize(torch.from_numpy(resize(image, processor))[None], processor)[0].permute(1, 2, 0)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert resize(picture(80, 40, 0), processor).shape == (48, 96, 3)


# --- the whole detector ---


def test_detections(detector_folder: Path) -> None:
    image = picture(100, 70, 1)
    (result,) = detector(detector_folder).detect([image])
    assert result
    for detection in result:
        x1, y1, x2, y2 = detection.box
        assert 0 <= x1 < x2 <= 100
        assert 0 <= y1 < y2 <= 70
        assert detection.cls in {"person", "computer mouse", "dog"}
        assert detection.mask is not None
        assert detection.mask.shape == (y2 - y1, x2 - x1)
        for edge in (detection.mask[0], detection.mask[-1], detection.mask[:, 0], detection.mask[:, -1]):
            assert edge.any()


def test_a_floor_only_leaves_out(detector_folder: Path) -> None:
    image = picture(64, 64, 2)
    (everything,) = detector(detector_folder).detect([image])
    floor = sorted(detection.score for detection in everything)[len(everything) // 2]
    (best,) = detector(detector_folder).detect([image], floor)
    assert best == [detection for detection in everything if detection.score > floor]


def test_an_image_depends_on_itself_alone(detector_folder: Path) -> None:
    images = [picture(64, 64, 3), picture(90, 40, 4), picture(64, 64, 5), picture(40, 90, 6)]
    together = detector(detector_folder, batch_size=3).detect(images)
    for image, result in zip(images, together, strict=True):
        (alone,) = detector(detector_folder).detect([image])
        assert [(detection.cls, detection.box) for detection in result] == [
            (detection.cls, detection.box) for detection in alone
        ]
        assert [detection.score for detection in result] == pytest.approx(
            [detection.score for detection in alone], abs=1e-6
        )


def test_large_images_go_one_by_one_on_a_cpu(detector_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested = detector(detector_folder)
    model, _ = tested.load()
    passes: list[int] = []
    model.register_forward_pre_hook(lambda _, __, inputs: passes.append(len(inputs["pixel_values"])), with_kwargs=True)
    images = [picture(64, 64, seed) for seed in range(5)]
    together = tested.detect(images)
    monkeypatch.setattr(mask2former_transformers, "CPU_PIXELS", 2 * 64 * 64)
    assert [[(detection.cls, detection.box) for detection in result] for result in tested.detect(images)] == [
        [(detection.cls, detection.box) for detection in result] for result in together
    ]
    assert passes == [5, 2, 2, 1]


def test_identity_and_classes_need_no_network(detector_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask2former_transformers, "load", lambda *_: pytest.fail("the network was loaded"))
    tested = detector(detector_folder)
    identity = tested.identity()
    assert identity["name"] == "mask2former"
    assert identity["dtype"] == "float32"
    assert len(identity["weights"]) == 64
    assert tested.classes() == {"person", "computer mouse", "dog"}


def test_a_checkpoint_with_a_hole(detector_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(detector_folder, tmp_path / "holed")
    tensors = load_file(folder / "model.safetensors")
    del tensors["class_predictor.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks 1 tensors.*class_predictor.weight"):
        detector(folder).detect([picture(64, 64, 0)])


def test_loading_says_nothing(detector_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(detector_folder, "cpu", "float32")
    assert capfd.readouterr() == ("", "")


def test_a_device_that_is_not_there() -> None:
    assert pick_device("cpu") == "cpu"
    for name in ("nonsense", "cuda:99"):
        with pytest.raises(ConfigError, match=f"device '{name}' cannot be used here: .*; use auto, cpu or cuda"):
            pick_device(name)


def test_a_torn_checkpoint(detector_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(detector_folder, tmp_path / "torn")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(WeightsError, match="cannot be loaded as a Mask2Former"):
        detector(folder).detect([picture(64, 64, 0)])


def test_missing_files(detector_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights folder"):
        detector(tmp_path / "none").identity()
    folder = shutil.copytree(detector_folder, tmp_path / "partial")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"lacks model.safetensors"):
        detector(folder).detect([picture(64, 64, 0)])
    folder = shutil.copytree(detector_folder, tmp_path / "unnamed")
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="id2label"):
        detector(folder).classes()
