"""Detector plugin ``mask2former-mmdet``: network, test pipeline and post-processing of MMDetection 3.3 itself.

What differs in MMDetection 2.28, which GenEval's scores were measured with, is done its way: images are resized as
bytes, and those that do not fit the network get a grey border.

It runs without mmcv's compiled operations; see :mod:`evalharness.detectors.mmcv_ops`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import file_digest
from evalharness._util.finite import check_finite, check_weights, watch_outputs
from evalharness._util.hashing import digest
from evalharness.api.detector import Detection, Detector, detect_by_size
from evalharness.assets.weights_folder import checked_folder, embedded_weights
from evalharness.detectors import architecture, checkpoint, convert, geneval_weights, mmcv_ops
from evalharness.detectors.coco import geneval_name
from evalharness.detectors.mmdet_pipeline import PAD_VALUE, padded_size
from evalharness.detectors.transformers_folder import FILES
from evalharness.errors import WeightsError, did_you_mean

if TYPE_CHECKING:
    import torch

DEFAULT_CONFIG = Path("mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco")
"""MMDetection 3.x's name of GenEval's detector."""
ENGINE = "mmdet 3.3.0"
"""The behaviour of MMDetection that detections are of, whatever release is installed; provenance has the release."""
INSTANCES_ONLY = {"panoptic_on": False, "semantic_on": False, "instance_on": True}


class Loaded(NamedTuple):
    """MMDetection's model and test pipeline, GenEval's class names by label, and what sides become multiples of."""

    model: Any
    pipeline: Any
    names: tuple[str, ...]
    divisor: int


class Mask2FormerMMDet(Detector):
    """A Mask2Former from a checkpoint file of MMDetection 2.x or 3.x, or from a folder in transformers' layout."""

    class Settings(BaseModel):
        """Settings of the detector.

        Attributes:
            weights: a file or a folder; ``embedded`` is the miniature's own detector, ``official`` is GenEval's.
            config: for a file only, a config file or the name of one that comes with MMDetection. A config in Python
                is run as a program.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Literal["embedded", "official"] | Path = "embedded"
        config: Path | None = None
        device: str = "auto"
        batch_size: int = Field(8, ge=1)

        @model_validator(mode="after")
        def _config_goes_with_a_file(self) -> Mask2FormerMMDet.Settings:
            if self.config is not None and self.weights == "embedded":
                raise ValueError("a config needs weights: the checkpoint file that it belongs to")
            return self

    requires = ("mmcv", "mmengine", "mmdet")
    assets = (geneval_weights.MASK2FORMER,)
    behaviour_version = 2

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._resolved: dict[str, Any] | None = None
        self._loaded: Loaded | None = None

    def identity(self) -> dict[str, Any]:
        weights = self._weights
        return {
            "name": "mask2former-mmdet",
            "engine": ENGINE,
            "config": digest(self.config()),
            "weights": file_digest(weights / "model.safetensors" if weights.is_dir() else weights),
            "dtype": "float32",
        }

    def programs(self) -> list[Path]:
        config = self.settings.config
        return [config] if config is not None and config.suffix == ".py" and config.is_file() else []

    def classes(self) -> frozenset[str]:
        return frozenset(self.load().names)

    def detect(self, images: Sequence[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        """See ``Detector``."""

        def detect(batch: Sequence[Image.Image]) -> list[list[Detection]]:
            names = self.load().names
            return [detections(result.pred_instances, names, min_score) for result in self._run(batch)]

        return detect_by_size(detect, images, self.settings.batch_size)

    def _run(self, images: Sequence[Image.Image]) -> Any:
        """MMDetection's result for each image."""
        import torch

        model, pipeline, _, divisor = self.load()
        samples = [pipeline({"img": blue_first(image), "img_id": 0}) for image in images]
        for sample in samples:
            height, width = sample["inputs"].shape[1:]
            bottom, right = padded_size(height, width, divisor)
            border = (0, right - width, 0, bottom - height)
            sample["inputs"] = torch.nn.functional.pad(sample["inputs"], border, value=PAD_VALUE)
        with torch.inference_mode():
            return model.test_step({key: [sample[key] for sample in samples] for key in ("inputs", "data_samples")})

    @property
    def _weights(self) -> Path:
        weights = self.settings.weights
        if weights == "official":
            return geneval_weights.mask2former_file()
        return embedded_weights("detector") if weights == "embedded" else weights

    def config(self) -> dict[str, Any]:
        """``model`` and ``test_pipeline`` in MMDetection's format."""
        if self._resolved is None:
            if self._weights.is_dir():
                self._resolved = folder_config(self._weights, self.settings.config)
            else:
                self._resolved = file_config(self.settings.config or DEFAULT_CONFIG)
        return self._resolved

    def load(self) -> Loaded:
        """The model, its test pipeline and its class names, loaded on first use."""
        if self._loaded is None:
            weights = read_folder(self._weights) if self._weights.is_dir() else checkpoint.read(self._weights)
            device = pick_device(self.settings.device)
            model, pipeline = build(self.config(), device)
            fill(model, weights.state, self._weights)
            known = getattr(getattr(model, "panoptic_head", None), "num_classes", len(weights.classes))
            if known != len(weights.classes):
                raise WeightsError(f"{self._weights} names {len(weights.classes)} classes, its config {known}")
            check_weights(model, self._weights)
            for name, part in model.named_children():
                watch_outputs(part, f"the detector's {name}")
            self._loaded = Loaded(model.to(device).eval(), pipeline, weights.classes, grey_divisor(model))
        return self._loaded


# --- Weights and configs ---


def folder_config(folder: Path, config: Path | None) -> dict[str, Any]:
    """MMDetection's config for a folder in transformers' layout."""
    checked_folder(folder, FILES)
    if config is not None:
        raise WeightsError(f"{folder} has a config of its own; leave out {config.name}")
    parts = [read_json(folder / name) for name in ("config.json", "preprocessor_config.json")]
    return architecture.mmdet_config(*parts)


def read_json(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
    except (ValueError, OSError) as error:
        raise WeightsError(f"{file} cannot be read: {error}") from None
    return content


def read_folder(folder: Path) -> checkpoint.Checkpoint:
    """Tensors of a folder in transformers' layout, under MMDetection's names."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    labels = read_json(folder / "config.json")["id2label"]
    names = tuple(geneval_name(labels[str(label)]) for label in range(len(labels)))
    try:
        state = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{folder}/model.safetensors cannot be read: {error}") from None
    return checkpoint.Checkpoint({key: value.float() for key, value in convert.to_mmdet(state).items()}, names)


def file_config(config: Path) -> dict[str, Any]:
    """``model`` and ``test_pipeline`` of a config file, or of MMDetection's own config of that name."""
    mmcv_ops.replace_missing_ops()
    from mmengine.config import Config

    file = config if config.is_file() else shipped_config(config.name)
    try:
        content = Config.fromfile(file, import_custom_modules=False).to_dict()
        model, pipeline = content["model"], content["test_pipeline"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError, NameError, RuntimeError) as error:
        raise WeightsError(f"{file} cannot be read as a config of MMDetection: {error!r}") from error
    annotations = ("LoadAnnotations", "LoadPanopticAnnotations")
    steps = [step for step in pipeline if step["type"].rpartition(".")[2] not in annotations]
    return {"model": model, "test_pipeline": [_without(step, "to_float32") for step in steps]}


def _without(step: dict[str, Any], option: str) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key != option}


def shipped_config(name: str) -> Path:
    """The file of a config that comes with MMDetection."""
    spec = find_spec("mmdet")
    root = Path(str(spec.origin)).parent / ".mim" / "configs" if spec else Path()
    configs = {file.stem: file for file in root.rglob("*.py") if not file.parent.name.startswith("_")}
    stem = name.removesuffix(".py")
    if stem not in configs:
        raise WeightsError(f"no config file {name}, and MMDetection has none of that name{did_you_mean(stem, configs)}")
    return configs[stem]


# --- MMDetection ---


def build(config: dict[str, Any], device: str) -> tuple[Any, Any]:
    """MMDetection's model with random weights, and its test pipeline for images in memory."""
    mmcv_ops.prepare(device)
    from mmcv.transforms import Compose
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import ConfigDict as MMConfig

    warnings.filterwarnings("ignore", "torch.meshgrid")  # MMDetection does not pass its new argument
    register_all_modules(init_default_scope=True)
    model = MMConfig(config["model"])
    if "panoptic_head" in model:
        model.setdefault("test_cfg", {}).update(INSTANCES_ONLY)
    first, *rest = (dict(step) for step in config["test_pipeline"])
    try:
        return MODELS.build(model), Compose([first | {"type": "mmdet.LoadImageFromNDArray"}, *rest])
    except (TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        raise WeightsError(f"MMDetection cannot build the detector's config: {error!r}") from error


def grey_divisor(model: Any) -> int:
    """What the sides of an image become multiples of by a grey border, before MMDetection normalises it.

    In MMDetection 2.28 a Mask2Former for instances alone has such a border. Other models have 1 here: 3.x gives them
    the border of zeros that they had in 2.28.
    """
    instances_only = getattr(getattr(model, "panoptic_head", None), "num_stuff_classes", 1) == 0
    return int(model.data_preprocessor.pad_size_divisor) if instances_only else 1


def fill(model: Any, state: dict[str, torch.Tensor], source: Path) -> None:
    """Load a checkpoint's tensors into a model.

    Raises:
        WeightsError: tensors are missing, left over or of another shape.
    """
    try:
        report = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"{source} does not fit its config: {' '.join(str(error).split())[:300]}") from None
    missing = [key for key in report.missing_keys if not convert.MMDET_ONLY.search(key)]
    for keys, what in ((missing, "lacks"), (report.unexpected_keys, "has")):
        if keys:
            raise WeightsError(f"{source} does not fit its config: it {what} {len(keys)} tensors, {keys[0]} the first")


def blue_first(image: Image.Image) -> Any:
    """Bytes ``(height, width, 3)`` in OpenCV's channel order."""
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def detections(instances: Any, names: Sequence[str], min_score: float) -> list[Detection]:
    """MMDetection's instances of one image as detections, best first."""
    boxes = instances.bboxes
    check_finite(instances.scores, "the detector's scores")
    check_finite(boxes, "the detector's boxes")
    kept = (instances.scores > min_score) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    order = kept.nonzero().flatten()
    order = order[instances.scores[order].argsort(descending=True, stable=True)]
    scores, labels, corners = (values[order].tolist() for values in (instances.scores, instances.labels, boxes))
    masks = instances.masks[order].cpu().numpy() if "masks" in instances else [None] * len(order)
    return [
        Detection(names[label], tuple(box), score, cut(mask, box))
        for label, box, score, mask in zip(labels, corners, scores, masks, strict=True)
    ]


def cut(mask: Any, box: Sequence[float]) -> Any:
    """The part of an image's mask that lies in the box."""
    if mask is None:
        return None
    x1, y1, x2, y2 = (round(edge) for edge in box)
    return mask[y1:y2, x1:x2].copy()
