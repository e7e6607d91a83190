"""Detectors and colour classifiers with numbers that are none answer nothing."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from evalharness.api.detector import Detection, Detector
from evalharness.detectors.colors import ColorClassifier
from evalharness.detectors.mask2former_mmdet import Mask2FormerMMDet
from evalharness.detectors.mask2former_transformers import Mask2Former
from evalharness.errors import NotFiniteError, WeightsError

NAN, INF = float("nan"), float("inf")
WITH_MMDET = pytest.mark.skipif(importlib.util.find_spec("mmdet") is None, reason="mmdet is not installed")
DETECTORS = [
    Mask2Former,
    pytest.param(
        Mask2FormerMMDet, marks=pytest.mark.skipif(importlib.util.find_spec("mmdet") is None, reason="no mmdet")
    ),
]
"""Kinds of detector."""


def damaged(folder: Path, file: str, number: float, name: str, target: Path) -> Path:
    """A copy of a checkpoint in which the first number of one tensor is another."""
    shutil.copytree(folder, target)
    tensors = load_file(target / file)
    tensors[name].flatten()[0] = number
    save_file(tensors, target / file, metadata={"format": "pt"})
    return target


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def classifier(folder: Path) -> ColorClassifier:
    settings = ColorClassifier.Settings(device="cpu", weights=folder)
    return ColorClassifier(settings, ("red", "green"), ("a photo of a {color} {cls}",))


def classify(colors: ColorClassifier) -> list[str]:
    return colors.classify([(picture(), Detection("dog", (5, 10, 35, 30), 0.9))])


@contextmanager
def first_number(parameter: torch.Tensor, number: float) -> Iterator[None]:
    with torch.no_grad():
        kept = parameter.flatten()[0].clone()
        parameter.view(-1)[0] = number
        yield
        parameter.view(-1)[0] = kept


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("number", [NAN, INF])
def test_a_weight_that_is_no_number_is_refused(
    detector_folder: Path, tmp_path: Path, kind: type[Detector], number: float
) -> None:
    names = [name for name, values in load_file(detector_folder / "model.safetensors").items() if values.numel() > 1]
    for place, name in enumerate(names[:: len(names) // 3]):
        folder = damaged(detector_folder, "model.safetensors", number, name, tmp_path / str(place))
        detector: Any = kind(kind.Settings.model_validate({"weights": folder, "device": "cpu"}))
        with pytest.raises(WeightsError, match=r"1 of \d+ numbers of \S+ are NaN or infinite; fetch or convert"):
            detector.detect([picture()])


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_network_that_computes_no_numbers_detects_nothing(detector_folder: Path, kind: type[Detector]) -> None:
    """As on a device that computes wrongly: the weights were right when they were loaded."""
    detector: Any = kind(kind.Settings.model_validate({"weights": detector_folder, "device": "cpu"}))
    detector.detect([picture()])
    network = detector.load()[0]
    for parameter in (next(network.parameters()), list(network.parameters())[-1]):
        with (
            first_number(parameter, NAN),
            pytest.raises(NotFiniteError, match=r"of the (detector's|output of the det)"),
        ):
            detector.detect([picture()])


def test_a_clip_whose_weight_is_no_number_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    file = "open_clip_model.safetensors"
    for place, number in enumerate((NAN, INF)):
        folder = damaged(clip_folder, file, number, "visual.proj", tmp_path / str(place))
        with pytest.raises(WeightsError, match=r"1 of 256 numbers of visual\.proj are NaN or infinite; fetch"):
            classify(classifier(folder))


@pytest.mark.parametrize("name", ["visual.proj", "text_projection"])
def test_a_clip_that_computes_no_numbers_calls_nothing_red(clip_folder: Path, name: str) -> None:
    colors = classifier(clip_folder)
    assert len(classify(colors)) == 1
    colors.heads.clear()
    parameter = dict(colors.load()[0].named_parameters())[name]
    with first_number(parameter, NAN), pytest.raises(NotFiniteError, match=r"of the CLIP's (image|text) embeddings"):
        classify(colors)
