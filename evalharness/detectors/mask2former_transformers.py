"""Mask2Former through transformers, with MMDetection's test-time pipeline and instance post-processing.

GenEval's published scores come from MMDetection, whose pipeline differs from that of transformers' own image
processor (which stretches an image to a multiple of 32 instead of padding it, and smooths as it shrinks). So both
ends are written out here: resizing, padding, and from queries to instances as
``MaskFormerFusionHead.instance_postprocess`` does it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import file_digest, folder_digest
from evalharness._util.quiet import silent
from evalharness.api.detector import Detection, detect_by_size
from evalharness.detectors import official
from evalharness.detectors.weights import checked_folder, embedded_weights
from evalharness.errors import WeightsError

if TYPE_CHECKING:
    import torch

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")
MAX_INSTANCES = 100
"""MMDetection's ``max_per_image``."""
CPU_PIXELS = 800 * 1333
"""In one pass on a CPU: tensors larger than those of one large image cost more than fewer passes save."""

ALIASES = {
    "mouse": "computer mouse",
    "remote": "tv remote",
    "keyboard": "computer keyboard",
    "hair dryer": "hair drier",
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}
"""Class names of COCO checkpoints → GenEval's."""


class Sizes(NamedTuple):
    """Heights and widths: of the network's input, of the resized image within it, of the image itself."""

    padded: tuple[int, int]
    resized: tuple[int, int]
    image: tuple[int, int]


class Mask2Former:
    """A folder with ``config.json``, ``model.safetensors`` and ``preprocessor_config.json``, as of transformers.

    ``preprocessor_config.json`` says how large the network wants its images: ``size`` (``shortest_edge`` and
    ``longest_edge``, or ``height`` and ``width``), ``do_resize``, ``image_mean``, ``image_std``, ``size_divisor``.
    """

    class Settings(BaseModel):
        """``weights``: the folder, ``embedded`` for the miniature's own detector, ``official`` for GenEval's."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Literal["embedded", "official"] | Path = "embedded"
        device: str = "auto"
        dtype: Literal["float32", "bfloat16", "float16"] = "float32"
        batch_size: int = Field(8, ge=1)

    assets = (official.MASK2FORMER,)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loaded: tuple[Any, Any] | None = None

    @property
    def folder(self) -> Path:
        weights = self.settings.weights
        if weights == "official":
            return official.mask2former_folder()
        return embedded_weights("detector") if weights == "embedded" else weights

    def identity(self) -> dict[str, Any]:
        folder = checked_folder(self.folder, FILES)
        return {
            "name": "mask2former",
            "weights": file_digest(folder / "model.safetensors"),
            "config": folder_digest(folder, "*config.json"),
            "dtype": self.settings.dtype,
        }

    def classes(self) -> frozenset[str]:
        return frozenset(self._names().values())

    def detect(self, images: Sequence[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        """See ``Detector``."""
        return detect_by_size(lambda batch: self._detect_batch(batch, min_score), images, self.settings.batch_size)

    def _detect_batch(self, images: Sequence[Image.Image], min_score: float) -> list[list[Detection]]:
        """Detections of images of one size."""
        import torch

        model, processor = self._load()
        resized = torch.from_numpy(np.stack([resize(image, processor) for image in images])).to(model.device)
        height, width = resized.shape[1:3]
        divisor = max(int(getattr(processor, "size_divisor", 0) or 0), 1)
        right, bottom = -width % divisor, -height % divisor
        sizes = Sizes((height + bottom, width + right), (height, width), (images[0].height, images[0].width))
        together = max(CPU_PIXELS // (height * width), 1) if model.device.type == "cpu" else len(images)
        found = []
        with torch.inference_mode():
            for part in torch.split(resized, together):
                pixels = torch.nn.functional.pad(normalise(part, processor), (0, right, 0, bottom))
                output = model(pixel_values=pixels.to(model.dtype))
                queries = zip(output.class_queries_logits.float(), output.masks_queries_logits.float(), strict=True)
                found += [self._detections(classes, masks, sizes, min_score) for classes, masks in queries]
        return found

    def _detections(
        self, class_logits: torch.Tensor, mask_logits: torch.Tensor, sizes: Sizes, min_score: float
    ) -> list[Detection]:
        import torch

        scores, labels, queries = best_instances(class_logits, min_score)
        unique, which = torch.unique(queries, return_inverse=True)
        masks, mask_scores, boxes = mask_instances(mask_logits[unique], sizes)
        names, corners, full = self._names(), boxes.tolist(), masks.cpu().numpy()
        detections = []
        for score, label, index in zip(
            (scores * mask_scores[which]).tolist(), labels.tolist(), which.tolist(), strict=True
        ):
            x1, y1, x2, y2 = corners[index]
            if score > min_score and x2 > x1:
                mask = full[index, y1:y2, x1:x2].copy()
                detections.append(Detection(names[label], (x1, y1, x2, y2), score, mask))
        return detections

    def _names(self) -> dict[int, str]:
        """Label → GenEval's class name."""
        file = checked_folder(self.folder, FILES) / "config.json"
        try:
            labels: Mapping[str, str] = json.loads(file.read_bytes())["id2label"]
            return {int(label): ALIASES.get(name, name) for label, name in labels.items()}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise WeightsError(f"{file} has no readable id2label: {error!r}") from None

    def _load(self) -> tuple[Any, Any]:
        """The model and its image processor, read at the first use."""
        if self._loaded is None:
            self._loaded = load(
                checked_folder(self.folder, FILES), pick_device(self.settings.device), self.settings.dtype
            )
        return self._loaded


def load(folder: Path, device: str, dtype: str) -> tuple[Any, Any]:
    """A ``Mask2FormerForUniversalSegmentation`` and its image processor from a folder: no download, no pickle.

    Raises:
        WeightsError: the files do not hold a whole Mask2Former.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

    from evalharness.detectors.mask2former_fast import speed_up

    try:
        with silent():
            model, report = Mask2FormerForUniversalSegmentation.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=getattr(torch, dtype),
                output_loading_info=True,
            )
            processor = Mask2FormerImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        message = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{folder} cannot be loaded as a Mask2Former: {message}") from error
    # transformers leaves what a checkpoint lacks at random values, with no more than a log message.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("criterion."))
    if missing:
        raise WeightsError(
            f"{folder}/model.safetensors lacks {len(missing)} tensors of its config, {missing[0]} the first"
        )
    speed_up(model, device)
    return model.to(device).eval(), processor


def resize(image: Image.Image, processor: Any) -> NDArray[np.uint8]:
    """``(height, width, 3)`` in the size for the network, by OpenCV's bilinear filter as MMDetection does it."""
    import cv2

    pixels = np.asarray(image.convert("RGB"))
    if processor.do_resize:
        height, width = target_size(pixels.shape[0], pixels.shape[1], processor.size)
        if (height, width) != pixels.shape[:2]:
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(pixels, dtype=np.uint8)


def normalise(pixels: torch.Tensor, processor: Any) -> torch.Tensor:
    """From bytes ``(n, height, width, 3)`` to floats ``(n, 3, height, width)``, on the device where they are."""
    scaled = pixels.float() * (processor.rescale_factor if processor.do_rescale else 1.0)
    if processor.do_normalize:
        scaled = (scaled - scaled.new_tensor(processor.image_mean)) / scaled.new_tensor(processor.image_std)
    return scaled.permute(0, 3, 1, 2)


def target_size(height: int, width: int, size: Any) -> tuple[int, int]:
    """Height and width in which the network sees an image: the largest of its shape that fits, or a fixed size.

    >>> target_size(512, 512, {"shortest_edge": 800, "longest_edge": 1333})
    (800, 800)
    >>> target_size(300, 900, {"shortest_edge": 800, "longest_edge": 1333})
    (444, 1333)
    """
    edges = {key: value for key, value in dict(size).items() if value}
    if {"shortest_edge", "longest_edge"} <= edges.keys():
        long, short = max(height, width), min(height, width)
        scale = min(edges["longest_edge"] / long, edges["shortest_edge"] / short)
        return int(height * scale + 0.5), int(width * scale + 0.5)
    if {"height", "width"} <= edges.keys():
        return int(edges["height"]), int(edges["width"])
    raise WeightsError(
        f"preprocessor_config.json: size must have shortest_edge and longest_edge, or height and width, got {edges}"
    )


def best_instances(
    class_logits: torch.Tensor, min_score: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The best pairs of query and class: their class scores, labels and queries, best first.

    ``class_logits`` is ``(queries, classes + 1)``, "no object" last. A query may stand there with several classes.
    Pairs at or below ``min_score`` are left out: the mask score, at most 1, could not lift them.
    """
    scores = class_logits.softmax(-1)[:, :-1]
    classes = scores.shape[1]
    top, indices = scores.flatten().topk(min(MAX_INSTANCES, scores.numel()))
    indices, top = indices[top > min_score], top[top > min_score]
    return top, indices % classes, indices // classes


def mask_instances(logits: torch.Tensor, sizes: Sizes) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """From coarse logits ``(n, h, w)`` to masks ``(n, height, width)`` of the image, their scores and boxes ``(n, 4)``.

    A mask's score is its mean probability; its box x1, y1, x2, y2 has an exclusive second corner and is all zeros for
    an empty mask.
    """
    import torch

    def upsample(values: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        return torch.nn.functional.interpolate(values[:, None], size, mode="bilinear", align_corners=False)[:, 0]

    if len(logits) == 0:
        empty = logits.new_zeros((0, *sizes.image), dtype=torch.bool)
        return empty, logits.new_zeros(0), torch.zeros((0, 4), dtype=torch.int64)
    full = upsample(upsample(logits, sizes.padded)[:, : sizes.resized[0], : sizes.resized[1]], sizes.image)
    masks = full > 0
    scores = (full.sigmoid() * masks).flatten(1).sum(1) / (masks.flatten(1).sum(1) + 1e-6)
    x1, x2 = _bounds(masks.any(dim=1))
    y1, y2 = _bounds(masks.any(dim=2))
    return masks, scores, torch.stack([x1, y1, x2, y2], dim=1)


def _bounds(hit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First true index and one past the last true one in each row; zeros for a row without any."""
    first = hit.int().argmax(dim=1)
    last = hit.shape[1] - hit.flip(1).int().argmax(dim=1)
    return first, last * hit.any(dim=1)
