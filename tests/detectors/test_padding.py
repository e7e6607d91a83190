"""What reaches the network of either engine, against the numbers of MMDetection 2.28.2.

They were made by its own test pipeline, from its config ``mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.py`` with mmcv
1.7.1: height and width, the last pixel, the mean of each channel, and a pixel inside.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evalharness.detectors.mask2former_transformers import Mask2Former

PUBLISHED = {
    (1024, 768): (
        (800, 1088),
        (0.074065, 0.205182, 0.426492),
        (0.0651481, -0.3527061, 0.1430268),
        (-1.244542, -0.932773, -0.81098),
    ),
    (1344, 768): (
        (768, 1344),
        (0.074065, 0.205182, 0.426492),
        (-0.2879769, -0.3550012, 0.476488),
        (-0.970545, -0.915266, -0.671547),
    ),
    (832, 1216): (
        (1184, 800),
        (0.074065, 0.205182, 0.426492),
        (-0.340717, -0.0878532, 0.4164253),
        (-1.415789, -0.267507, -0.566972),
    ),
    (1024, 1024): (
        (800, 800),
        (2.248908, 2.428571, 2.64),
        (0.0649422, 0.1965161, 0.4163313),
        (-1.244542, -0.547619, -0.619259),
    ),
}
"""Width and height of an image → its numbers; the last needs no border."""
RESIZED = {(1024, 768): (800, 1067), (1344, 768): (762, 1333), (832, 1216): (1169, 800), (1024, 1024): (800, 800)}
"""Width and height of an image → height and width without the border."""


class NetworkReachedError(Exception):
    """Carries the input of a network, which then need not run."""


def ramps(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    channels = [x // 4 % 256, y // 4 % 256, (x + y) // 8 % 256]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


@pytest.fixture
def published_size(detector_folder: Path, tmp_path: Path) -> Path:
    """A small network with the published size of its input."""
    folder = shutil.copytree(detector_folder, tmp_path / "published")
    file = folder / "preprocessor_config.json"
    config = json.loads(file.read_text()) | {"size": {"shortest_edge": 800, "longest_edge": 1333}}
    file.write_text(json.dumps(config))
    return folder


def through_transformers(folder: Path) -> tuple[Any, Any]:
    detector = Mask2Former(Mask2Former.Settings(weights=folder, device="cpu"))
    return detector, detector.load()[0].model.pixel_level_module.encoder


def through_mmdet(folder: Path) -> tuple[Any, Any]:
    pytest.importorskip("mmdet", reason="MMDetection is not installed: pip install 'evalharness[geneval]'")
    from evalharness.detectors.mask2former_mmdet import Mask2FormerMMDet

    detector = Mask2FormerMMDet(Mask2FormerMMDet.Settings(weights=folder, device="cpu"))
    return detector, detector.load().model.backbone


@pytest.mark.parametrize("engine", [through_transformers, pytest.param(through_mmdet, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", PUBLISHED)
def test_the_network_s_input_is_mmdetection_2_28_s(
    published_size: Path, engine: Callable[[Path], tuple[Any, Any]], size: tuple[int, int]
) -> None:
    detector, network = engine(published_size)

    def stop(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        raise NetworkReachedError(inputs[0])

    network.register_forward_pre_hook(stop)
    with pytest.raises(NetworkReachedError) as seen:
        detector.detect([ramps(*size)])
    pixels = seen.value.args[0][0].double()
    shape, last, means, inside = PUBLISHED[size]
    height, width = RESIZED[size]
    assert tuple(pixels.shape[1:]) == shape
    assert pixels[:, -1, -1].tolist() == pytest.approx(last, abs=2e-6)
    assert pixels.mean(dim=(1, 2)).tolist() == pytest.approx(means, abs=2e-6)
    assert pixels[:, height // 3, width // 5].tolist() == pytest.approx(inside, abs=2e-6)
