"""What GenEval's published program does with an image, written from its description: the way to compare with.

One image at a time: MMDetection's own network, test pipeline and post-processing, so that all hundred masks come in the
size of the image; for each clause with a colour a data loader with worker processes over the crops; a CLIP classifier
for each class, its texts encoded a colour at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn.functional import normalize
from torch.utils.data import DataLoader, Dataset

from evalharness.api.detector import Detection
from evalharness.benchmarks.geneval.classes import COLORS
from evalharness.benchmarks.geneval.scoring_rules import Rules, judge, keep
from evalharness.detectors import convert, mask2former_mmdet
from evalharness.detectors.coco import geneval_name
from evalharness.detectors.colors import GENEVAL_TEMPLATES

BATCH, WORKERS = 16, 4
"""Of the data loader."""


class OfficialLoop:
    """``state``: the detector's tensors under transformers' names; ``clip``: its model, transform and tokenizer."""

    def __init__(
        self, state: Mapping[str, torch.Tensor], names: Sequence[str], clip: tuple[Any, Any, Any], device: str
    ) -> None:
        config = mask2former_mmdet.file_config(mask2former_mmdet.DEFAULT_CONFIG)
        self.detector, _ = mask2former_mmdet.build(config, device)
        mask2former_mmdet.fill(self.detector, convert.to_mmdet(state), Path("random"))
        self.detector.to(device).eval()
        self.detector.cfg = None
        self.steps = [dict(step) for step in config["test_pipeline"]]
        self.names = [geneval_name(name) for name in names]
        self.clip, self.transform, self.tokenizer = clip
        self.device = device
        self.heads: dict[str, torch.Tensor] = {}
        self.crops = 0

    @torch.no_grad()
    def score(self, file: Path, metadata: Mapping[str, Any]) -> tuple[float, str]:
        image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
        rules = Rules()
        detections = self.detect(file)
        kept = keep(detections, metadata["tag"], rules)
        colors: dict[int, str] = {}
        for clause in metadata["include"]:
            taken = kept.get(clause["class"], [])[: clause["count"]]
            if "color" in clause and len(taken) == clause["count"]:
                colors |= dict(zip(map(id, taken), self.classify(image, taken, clause["class"]), strict=True))
        verdict = judge(detections, metadata, rules, lambda detection: colors[id(detection)])
        return float(verdict.correct), verdict.reason

    def detect(self, file: Path) -> list[Detection]:
        """With masks of the whole image."""
        from mmcv.transforms import Compose
        from mmdet.apis import inference_detector

        found = (
            inference_detector(self.detector, str(file), test_pipeline=Compose(self.steps)).pred_instances.cpu().numpy()
        )
        return [
            Detection(self.names[label], tuple(box.tolist()), float(score), mask)
            for label, box, score, mask in zip(found.labels, found.bboxes, found.scores, found.masks, strict=True)
        ]

    def classify(self, image: Image.Image, objects: Sequence[Detection], cls: str) -> list[str]:
        head = self.head(cls)
        loader = DataLoader(Crops(image, objects, self.transform), batch_size=BATCH, num_workers=WORKERS)
        scores = [normalize(self.clip.encode_image(crops.to(self.device)), dim=-1) @ head.T for crops in loader]
        self.crops += len(objects)
        return [COLORS[index] for index in torch.cat(scores).argmax(dim=1).tolist()]

    def head(self, cls: str) -> torch.Tensor:
        if cls not in self.heads:
            rows = []
            for color in COLORS:
                texts = self.tokenizer([template.format(color=color, cls=cls) for template in GENEVAL_TEMPLATES])
                features = normalize(self.clip.encode_text(texts.to(self.device)), dim=-1)
                rows.append(normalize(features.mean(dim=0), dim=0))
            self.heads[cls] = torch.stack(rows)
        return self.heads[cls]


class Crops(Dataset[torch.Tensor]):
    """The objects of an image as CLIP wants them."""

    def __init__(self, image: Image.Image, objects: Sequence[Detection], transform: Any) -> None:
        self.image, self.objects, self.transform = image, objects, transform
        self.grey = Image.new("RGB", image.size, "#999")

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> torch.Tensor:
        detection = self.objects[index]
        assert detection.mask is not None
        alone = Image.composite(self.image, self.grey, Image.fromarray(np.asarray(detection.mask)))
        tensor: torch.Tensor = self.transform(alone.crop(tuple(round(edge) for edge in detection.box)))
        return tensor
