"""The two engines, MMDetection and transformers, on the same weights: the same logits, boxes and verdicts."""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import full_size
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from evalharness.api.detector import Detection
from evalharness.assets.weights_folder import embedded_weights
from evalharness.detectors import architecture, coco, convert
from evalharness.detectors.mask2former_fast import speed_up
from evalharness.detectors.mask2former_transformers import Mask2Former
from evalharness.detectors.transformers_folder import load
from evalharness.errors import PluginError, WeightsError

pytest.importorskip("mmdet", reason="MMDetection is not installed: pip install 'evalharness[geneval]'")

from evalharness.detectors import mask2former_mmdet, mmcv_ops
from evalharness.detectors.mask2former_mmdet import Mask2FormerMMDet

EMBEDDED = embedded_weights("detector")


def through_mmdet(**settings: object) -> Mask2FormerMMDet:
    return Mask2FormerMMDet(Mask2FormerMMDet.Settings.model_validate({"device": "cpu", **settings}))


def through_transformers(**settings: object) -> Mask2Former:
    return Mask2Former(Mask2Former.Settings.model_validate({"device": "cpu", **settings}))


def picture(width: int, height: int, seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def logits(model: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Class and mask logits of MMDetection's network."""
    with torch.inference_mode():
        classes, masks = model.panoptic_head(model.extract_feat(pixels), [])
    return classes[-1], masks[-1]


def assert_same_logits(mmdet: Any, transformers: Any, pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = transformers(pixel_values=pixels)
    classes, masks = logits(mmdet, pixels)
    assert difference(classes, expected.class_queries_logits) < 1e-4
    assert difference(masks, expected.masks_queries_logits) < 1e-4


def difference(result: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest, in shares of the largest expected value."""
    assert result.shape == expected.shape
    return float((result - expected).abs().max() / expected.abs().max())


def assert_same_detections(result: list[Detection], expected: list[Detection]) -> None:
    """As sets, as near ties may change places."""

    def order(detection: Detection) -> tuple[object, ...]:
        return detection.cls, detection.box, detection.score

    assert len(result) == len(expected)
    for actual, wanted in zip(sorted(result, key=order), sorted(expected, key=order), strict=True):
        assert (actual.cls, actual.box) == (wanted.cls, wanted.box)
        assert actual.score == pytest.approx(wanted.score, abs=1e-4)
        np.testing.assert_array_equal(actual.mask, wanted.mask)


# --- logits ---


@pytest.fixture(scope="module")
def swin_small() -> Any:
    return full_size.swin_small()


@pytest.mark.slow
def test_logits_of_geneval_s_detector(swin_small: Any) -> None:
    state = convert.to_mmdet(swin_small.state_dict())
    model, pipeline = mask2former_mmdet.build(mask2former_mmdet.file_config(mask2former_mmdet.DEFAULT_CONFIG), "cpu")
    mask2former_mmdet.fill(model, state, Path("random"))
    assert sum(tensor.numel() for tensor in state.values()) > 68_000_000
    resized = pipeline({"img": mask2former_mmdet.blue_first(picture(64, 48, 0)), "img_id": 0})["inputs"]
    assert (resized.dtype, tuple(resized.shape)) == (torch.uint8, (3, 800, 1067)), "MMDetection 2.28 resizes bytes"
    assert mask2former_mmdet.grey_divisor(model) == 32
    pixels = torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))
    assert_same_logits(model.eval(), swin_small, pixels)
    fast = copy.deepcopy(swin_small)
    speed_up(fast, "cpu")
    assert_same_logits(model, fast, pixels)


@pytest.mark.slow
def test_the_config_read_off_geneval_s_detector_is_its_config(swin_small: Any) -> None:
    state = convert.to_mmdet(swin_small.state_dict())
    swin, head = architecture.transformers_config(state, coco.CLASSES)
    for original_function, config in ((swin, swin_small.config.backbone_config), (head, swin_small.config)):
        assert {key: getattr(config, key) for key in original_function} == original_function


@pytest.mark.slow
def test_logits_of_the_embedded_detector() -> None:
    model = through_mmdet().load().model
    transformers, _ = load(EMBEDDED, "cpu", "float32")
    random_pixels = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert_same_logits(model, transformers, random_pixels)
    assert_same_logits(model, transformers, random_pixels[:1, :, :64, :80])


# --- detections ---


@pytest.mark.slow
def test_a_folder_gives_the_same_detections(detector_folder: Path) -> None:
    """With resizing, padding and images of several sizes in a batch."""
    images = [picture(100, 70, 1), picture(64, 64, 2), picture(100, 70, 3), picture(40, 90, 4)]
    actual = through_mmdet(weights=detector_folder).detect(images)
    expected = through_transformers(weights=detector_folder).detect(images)
    for result, other in zip(actual, expected, strict=True):
        assert_same_detections(result, other)
        assert [detection.score for detection in result] == sorted(
            (detection.score for detection in result), reverse=True
        )


@pytest.mark.slow
def test_a_floor_only_leaves_out(detector_folder: Path) -> None:
    detector = through_mmdet(weights=detector_folder)
    (everything,) = detector.detect([picture(64, 64, 2)])
    floor = everything[len(everything) // 2].score
    (best,) = detector.detect([picture(64, 64, 2)], floor)
    assert best == [detection for detection in everything if detection.score > floor]
    assert 0 < len(best) < len(everything)


@pytest.mark.slow
def test_a_checkpoint_and_a_config_file_give_the_same_detections(detector_folder: Path, tmp_path: Path) -> None:
    parts = [json.loads((detector_folder / name).read_text()) for name in ("config.json", "preprocessor_config.json")]
    config = architecture.mmdet_config(*parts)
    (tmp_path / "config.py").write_text("\n".join(f"{key} = {value!r}" for key, value in config.items()))
    state = convert.to_mmdet(load_file(detector_folder / "model.safetensors"))
    torch.save({"state_dict": state, "meta": {"CLASSES": ("person", "mouse", "dog")}}, tmp_path / "it.pth")
    tested = through_mmdet(weights=tmp_path / "it.pth", config=tmp_path / "config.py")
    assert tested.classes() == {"person", "computer mouse", "dog"}
    assert tested.detect([picture(100, 70, 1)]) == through_mmdet(weights=detector_folder).detect([picture(100, 70, 1)])
    identity = tested.identity()
    assert identity["engine"].startswith("mmdet 3")
    assert str(tmp_path) not in json.dumps(identity)
    assert identity["config"] == through_mmdet(weights=detector_folder).identity()["config"]
    with pytest.raises(WeightsError, match="does not fit its config"):
        through_mmdet(weights=tmp_path / "it.pth").detect([picture(64, 64, 0)])


@pytest.mark.slow
def test_mmdet_s_own_inference_gives_the_same_detections(detector_folder: Path, tmp_path: Path) -> None:
    """Of an image that needs no border once it is resized; MMDetection 3.3 has another border."""
    picture(120, 80, 1).save(tmp_path / "image.png")
    tested = through_mmdet(weights=detector_folder)
    (result,) = tested.detect([picture(120, 80, 1)])
    from mmcv.transforms import Compose
    from mmdet.apis import inference_detector

    model = tested.load().model
    model.cfg = None
    pipeline = Compose([dict(step) for step in tested.config()["test_pipeline"]])
    instances = inference_detector(model, str(tmp_path / "image.png"), test_pipeline=pipeline).pred_instances
    order = instances.scores.argsort(descending=True)
    kept = order[instances.bboxes[order, 2] > instances.bboxes[order, 0]]
    assert [detection.score for detection in result] == pytest.approx(instances.scores[kept].tolist())
    assert sorted(detection.box for detection in result) == sorted(
        tuple(box) for box in instances.bboxes[kept].tolist()
    )


def test_weights_and_config_that_do_not_go_together(detector_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a config needs weights"):
        through_mmdet(config="mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco")
    with pytest.raises(WeightsError, match="has a config of its own"):
        through_mmdet(weights=detector_folder, config="mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco").identity()
    (tmp_path / "it.pth").touch()
    with pytest.raises(WeightsError, match=r"did you mean 'mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco"):
        through_mmdet(weights=tmp_path / "it.pth", config="mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco").identity()


# --- verdicts ---


@pytest.mark.slow
def test_verdicts_on_right_and_wrong_scenes() -> None:
    """240 images of the miniature's world, 20 right and 20 wrong ones of each of GenEval's tasks."""
    from evalharness.benchmarks.geneval import prompts
    from evalharness.benchmarks.geneval.benchmark import GenEval
    from evalharness.benchmarks.geneval.classes import TAGS
    from evalharness.miniature.world import scenes
    from evalharness.miniature.world.board import render
    from evalharness.types.item import Item

    lines = [line for tag in TAGS for line in [prompt for prompt in prompts.generate() if prompt["tag"] == tag][:20]]
    rng = random.Random(0)
    drawn = [scenes.right(line, rng) for line in lines] + [scenes.wrong(line, rng)[0] for line in lines]
    images = [render(scene) for scene in drawn]
    items = [Item(f"{i:05d}", line["prompt"], line["tag"], line) for i, line in enumerate(lines * 2)]
    assert len(images) == 240

    def scores(detector: str) -> Iterator[tuple[float, str]]:
        scorer = GenEval(GenEval.Settings.model_validate({"detector": detector, "device": "cpu"})).scorer()
        return ((score.value, score.reason) for score in scorer.score(images, items))

    result, expected = list(scores("mask2former-mmdet")), list(scores("mask2former"))
    assert result == expected
    assert sum(value for value, _ in result[:120]) > 110
    assert sum(value for value, _ in result[120:]) < 10


# --- without a compiler ---


def test_missing_operations_say_so() -> None:
    missing = mmcv_ops.MissingOps("mmcv._ext")
    assert hasattr(missing, "nms")
    assert not hasattr(missing, "__path__")
    with pytest.raises(PluginError, match="nms needs compiled mmcv"):
        missing.nms(torch.zeros(1))


def test_an_opencv_that_needs_a_display_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(PluginError, match="opencv-python-headless"):
        mmcv_ops.replace_missing_ops()


@pytest.mark.slow
def test_the_portable_attention_is_mmcv_s() -> None:
    mmcv_ops.replace_missing_ops()
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    shapes = torch.tensor([[4, 4], [2, 2]])
    value, locations, weights = torch.rand(1, 20, 2, 8), torch.rand(1, 5, 2, 2, 3, 2), torch.rand(1, 5, 2, 2, 3)
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    result = mmcv_ops.PortableAttention.apply(value, shapes, torch.tensor([0, 16]), locations, weights, 64)
    assert torch.equal(result, expected)


@pytest.mark.slow
@pytest.mark.parametrize("works", [True, False])
def test_on_cuda_the_kernel_is_used_only_where_it_works(works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    mmcv_ops.replace_missing_ops()
    from mmcv.ops import multi_scale_deform_attn as attention

    original_function = attention.MultiScaleDeformableAttnFunction
    monkeypatch.setattr(attention, "MultiScaleDeformableAttnFunction", original_function)
    monkeypatch.setattr(mmcv_ops, "kernel_works", lambda device: works)
    mmcv_ops.prepare("cpu")
    assert attention.MultiScaleDeformableAttnFunction is original_function
    mmcv_ops.prepare("cuda:0")
    assert attention.MultiScaleDeformableAttnFunction is (original_function if works else mmcv_ops.PortableAttention)


@pytest.mark.slow
def test_a_kernel_that_is_missing_or_wrong_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    mmcv_ops.replace_missing_ops()
    from mmcv.ops import multi_scale_deform_attn as attention

    class Zeros:
        apply = staticmethod(lambda value, *arguments: torch.zeros(1, 5, 16))

    if isinstance(sys.modules["mmcv._ext"], mmcv_ops.MissingOps):
        assert not mmcv_ops.kernel_works("cpu")
    monkeypatch.setattr(attention, "MultiScaleDeformableAttnFunction", Zeros)
    assert not mmcv_ops.kernel_works("cpu")
    monkeypatch.setattr(attention, "MultiScaleDeformableAttnFunction", mmcv_ops.PortableAttention)
    assert mmcv_ops.kernel_works("cpu")


@pytest.mark.gpu
def test_detections_on_cuda() -> None:
    image = picture(96, 96, 0)
    (result,) = through_mmdet(device="cuda").detect([image])
    (expected,) = through_mmdet().detect([image])
    assert len(result) == len(expected)
    assert [detection.score for detection in result] == pytest.approx(
        [detection.score for detection in expected], abs=1e-3
    )
