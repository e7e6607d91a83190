"""A network of the size of GenEval's detector, with weights that nobody tuned."""

from __future__ import annotations

from typing import Any

import torch

from evalharness.detectors import coco


def swin_small() -> Any:
    """GenEval's detector as transformers builds it, every parameter stirred; the same at every call."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    torch.manual_seed(0)
    swin = SwinConfig(
        embed_dim=96,
        depths=[2, 2, 18, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    names = {"id2label": dict(enumerate(coco.CLASSES)), "label2id": {name: i for i, name in enumerate(coco.CLASSES)}}
    model = Mask2FormerForUniversalSegmentation(Mask2FormerConfig(backbone_config=swin, **names)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model
