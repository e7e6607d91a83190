"""Detector plugin ``mask2former``: Mask2Former through transformers, processed as MMDetection does it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.devices import pick_device
from evalharness._util.file_digests import file_digest, folder_digest
from evalharness._util.finite import check_finite, check_weights
from evalharness.api.detector import Detection, Detector, detect_by_size
from evalharness.assets.weights_folder import checked_folder, embedded_weights
from evalharness.detectors import geneval_weights
from evalharness.detectors.coco import geneval_name
from evalharness.detectors.mmdet_pipeline import (
    PAD_VALUE,
    Sizes,
    best_instances,
    mask_instances,
    normalize,
    padded_size,
    resize,
)
from evalharness.detectors.transformers_folder import FILES, load
from evalharness.errors import WeightsError

if TYPE_CHECKING:
    import torch

CPU_PIXELS = 800 * 1333
"""Pixels per pass on a CPU: tensors larger than those of one large image cost more than fewer passes save."""


class Mask2Former(Detector):
    """A Mask2Former from a folder in transformers' layout.

    The folder holds ``config.json``, ``model.safetensors`` and ``preprocessor_config.json``. The last one gives the
    size of the network's input: ``size`` (``shortest_edge`` and ``longest_edge``, or ``height`` and ``width``),
    ``do_resize``, ``image_mean``, ``image_std``, ``size_divisor``.
    """

    class Settings(BaseModel):
        """Settings of the detector.

        Attributes:
            weights: the folder; ``embedded`` is the miniature's own detector, ``official`` is GenEval's.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        weights: Literal["embedded", "official"] | Path = "embedded"
        device: str = "auto"
        dtype: Literal["float32", "bfloat16", "float16"] = "float32"
        batch_size: int = Field(8, ge=1)

    assets = (geneval_weights.MASK2FORMER,)
    behaviour_version = 2

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loaded: tuple[Any, Any] | None = None

    @property
    def folder(self) -> Path:
        weights = self.settings.weights
        if weights == "official":
            return geneval_weights.mask2former_folder()
        return embedded_weights("detector") if weights == "embedded" else weights

    def identity(self) -> dict[str, Any]:
        folder = checked_folder(self.folder, FILES)
        return {
            "name": "mask2former",
            "weights": file_digest(folder / "model.safetensors"),
            "config": folder_digest(folder, ["*config.json"]),
            "dtype": self.settings.dtype,
        }

    def classes(self) -> frozenset[str]:
        return frozenset(self._class_names().values())

    def detect(self, images: Sequence[Image.Image], min_score: float = 0.0) -> list[list[Detection]]:
        """See ``Detector``."""
        return detect_by_size(lambda batch: self._detect_batch(batch, min_score), images, self.settings.batch_size)

    def _detect_batch(self, images: Sequence[Image.Image], min_score: float) -> list[list[Detection]]:
        """Detections of images of one size."""
        import torch

        model, processor = self.load()
        resized = torch.from_numpy(np.stack([resize(image, processor) for image in images])).to(model.device)
        height, width = resized.shape[1:3]
        divisor = max(int(getattr(processor, "size_divisor", 0) or 0), 1)
        sizes = Sizes(padded_size(height, width, divisor), (height, width), (images[0].height, images[0].width))
        border = (0, 0, 0, sizes.padded[1] - width, 0, sizes.padded[0] - height)
        pass_size = max(CPU_PIXELS // (height * width), 1) if model.device.type == "cpu" else len(images)
        results = []
        with torch.inference_mode():
            for part in torch.split(resized, pass_size):
                pixels = normalize(torch.nn.functional.pad(part, border, value=PAD_VALUE), processor)
                output = model(pixel_values=pixels.to(model.dtype))
                check_finite(output.class_queries_logits, "the detector's class logits")
                check_finite(output.masks_queries_logits, "the detector's mask logits")
                logits = zip(output.class_queries_logits.float(), output.masks_queries_logits.float(), strict=True)
                results += [self._detections(classes, masks, sizes, min_score) for classes, masks in logits]
        return results

    def _detections(
        self, class_logits: torch.Tensor, mask_logits: torch.Tensor, sizes: Sizes, min_score: float
    ) -> list[Detection]:
        """Detections of one image from ``(queries, classes + 1)`` and ``(queries, height, width)`` logits."""
        import torch

        scores, labels, queries = best_instances(class_logits, min_score)
        unique, rows = torch.unique(queries, return_inverse=True)  # a query may appear with several classes
        masks, mask_scores, boxes = mask_instances(mask_logits[unique], sizes)
        final_scores = (scores * mask_scores[rows]).tolist()
        names, corners, pixels = self._class_names(), boxes.tolist(), masks.cpu().numpy()
        detections = []
        for score, label, row in zip(final_scores, labels.tolist(), rows.tolist(), strict=True):
            x1, y1, x2, y2 = corners[row]
            if score > min_score and x2 > x1:
                mask = pixels[row, y1:y2, x1:x2].copy()
                detections.append(Detection(names[label], (x1, y1, x2, y2), score, mask))
        return detections

    def _class_names(self) -> dict[int, str]:
        """Label → GenEval's class name."""
        file = checked_folder(self.folder, FILES) / "config.json"
        try:
            labels: Mapping[str, str] = json.loads(file.read_bytes())["id2label"]
            return {int(label): geneval_name(name) for label, name in labels.items()}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise WeightsError(f"{file} has no readable id2label: {error!r}") from None

    def load(self) -> tuple[Any, Any]:
        """The model and its image processor, loaded on first use."""
        if self._loaded is None:
            folder = checked_folder(self.folder, FILES)
            model, processor = load(folder, pick_device(self.settings.device), self.settings.dtype)
            check_weights(model, folder)
            self._loaded = model, processor
        return self._loaded
