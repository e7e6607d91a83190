"""Train the embedded Mask2Former: ``python -m evalharness.miniature.training.detector``.

The model is transformers' own, unchanged; only the loss is ours. The board has 16 places, so query i learns place i
and no matching is needed: every query has one right answer in every image, which converges in minutes and cannot find
a thing twice. First the backbone alone learns to name the places, through a linear head on its last features (one
feature a place), which is dropped in the end.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessorPil,
    SwinConfig,
)

from evalharness.miniature.training.augment import EMPTY, Boards, BoardSampler
from evalharness.miniature.training.training_run import TrainingRun, arguments, half_precision
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import CELLS, CLASSES, SIDE, SIZE

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STRIDES = (4, 8, 16, 32)
WIDTH = 64
BATCH = 32
BACKBONE_SHARE = 0.25
"""Share of the steps in which the backbone learns alone."""


def config() -> Mask2FormerConfig:
    """A small Swin (windows of 4, so that every stage divides evenly), a small Mask2Former with one query a place."""
    swin = SwinConfig(
        image_size=SIZE,
        patch_size=STRIDES[0],
        embed_dim=32,
        depths=[2, 2, 2, 1],
        num_heads=[2, 4, 8, 8],
        window_size=SIDE,
        drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    return Mask2FormerConfig(
        backbone_config=swin,
        feature_size=WIDTH,
        mask_feature_size=WIDTH,
        hidden_dim=WIDTH,
        encoder_layers=1,
        encoder_feedforward_dim=2 * WIDTH,
        decoder_layers=4,
        dim_feedforward=4 * WIDTH,
        num_attention_heads=4,
        num_queries=CELLS,
        no_object_weight=1.0,
        common_stride=STRIDES[0],
        feature_strides=list(STRIDES),
        id2label=dict(enumerate(CLASSES)),
        label2id={name: i for i, name in enumerate(CLASSES)},
    )


def normalized(pixels: Tensor) -> Tensor:
    """(batch, 3, 128, 128) in 0..1 → what the image processor makes of it."""
    mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std


def targets(boards: Boards, side: int) -> Tensor:
    """(batch, 9, side, side) float 0 or 1: the mask of each place at the model's resolution."""
    batch, cell = len(boards.masks), side // SIDE
    small = (F.adaptive_avg_pool2d(boards.masks, cell) >= 0.5).float()
    rows = [F.pad(small[:, i], _around(i, cell)) for i in range(CELLS)]
    return torch.stack(rows, 1).view(batch, CELLS, side, side)


def _around(place: int, cell: int) -> tuple[int, int, int, int]:
    row, column = divmod(place, SIDE)
    last = SIDE - 1
    return column * cell, (last - column) * cell, row * cell, (last - row) * cell


def query_loss(classes: Tensor, masks: Tensor, labels: Tensor, target_masks: Tensor) -> Tensor:
    """Class, mask and dice loss of one decoder layer; masks count where there is a thing."""
    loss = 2 * F.cross_entropy(classes.flatten(0, 1), labels.flatten())
    present = labels != EMPTY
    predicted, expected = masks[present].flatten(1), target_masks[present].flatten(1)
    loss = loss + 5 * F.binary_cross_entropy_with_logits(predicted, expected)
    share = predicted.sigmoid()
    dice = 1 - (2 * (share * expected).sum(1) + 1) / (share.sum(1) + expected.sum(1) + 1)
    return loss + dice.mean()


def step_loss(model: Mask2FormerForUniversalSegmentation, head: torch.nn.Module, boards: Boards, alone: bool) -> Tensor:
    """The loss of a batch; ``alone``: of the backbone alone."""
    pixels = normalized(boards.pixels)
    with half_precision(pixels.device.type):
        if alone:
            features = model.model.pixel_level_module.encoder(pixels).feature_maps[-1]
        else:
            out = model(pixel_values=pixels, output_auxiliary_logits=True)
            features = out.encoder_last_hidden_state
        named = head(features)
    loss = F.cross_entropy(named.float().flatten(2), boards.labels)
    if alone:
        return loss
    layers = [(a["class_queries_logits"], a["masks_queries_logits"]) for a in out.auxiliary_logits]
    layers.append((out.class_queries_logits, out.masks_queries_logits))
    expected = targets(boards, layers[0][1].shape[-1])
    for classes, masks in layers:
        loss = loss + query_loss(classes.float(), masks.float(), boards.labels, expected)
    return loss


@torch.no_grad()
def measure(model: Mask2FormerForUniversalSegmentation, boards: Boards) -> dict[str, float]:
    """How boards are read: all places right at GenEval's thresholds, mean IoU, chimeras taken for things."""
    model.eval()
    out = model(pixel_values=normalized(boards.pixels))
    model.train()
    best = out.class_queries_logits.softmax(-1)[..., :-1].max(-1)
    masks = F.interpolate(out.masks_queries_logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    on = masks > 0
    scores = best.values * (masks.sigmoid() * on).flatten(2).sum(-1) / on.flatten(2).sum(-1).clamp(min=1)
    expected = F.interpolate(targets(boards, SIZE), size=(SIZE, SIZE)) > 0
    present = boards.labels != EMPTY
    iou = (on & expected).flatten(2).sum(-1) / (on | expected).flatten(2).sum(-1).clamp(min=1)
    same = best.indices == boards.labels
    right = {
        f"boards@{t}": torch.where(present, same & (scores > t), scores <= t).all(1).float().mean() for t in (0.3, 0.9)
    }
    detected = {
        "found@0.9": (same & (scores > 0.9))[present].float().mean(),
        "false@0.5": (scores > 0.5)[~present].float().mean(),
        "iou": iou[present].mean(),
    }
    return {k: float(v) for k, v in (right | detected).items()}


def save(model: Mask2FormerForUniversalSegmentation, out: Any) -> None:
    """The folder that transformers loads; float16 on disk, float32 once loaded."""
    model.eval()
    half = Mask2FormerForUniversalSegmentation(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(out)
    Mask2FormerImageProcessorPil(
        size={"height": SIZE, "width": SIZE},
        image_mean=MEAN,
        image_std=STD,
        do_reduce_labels=False,
        num_labels=len(CLASSES),
    ).save_pretrained(out)


def main() -> None:
    args = arguments("detector", steps=3000)
    data = bank()
    painter = BoardSampler(data, args.device)
    model = Mask2FormerForUniversalSegmentation(config())
    model.to(args.device).train()
    head = torch.nn.Conv2d(model.config.backbone_config.hidden_size, EMPTY + 1, 1).to(args.device)
    both = torch.nn.ModuleList((model, head))
    optimizer = torch.optim.AdamW(both.parameters(), weight_decay=0.02)
    run = TrainingRun(
        "detector", args.out, args.scratch, args.seed, args.steps, args.device, both, [optimizer], lr=1e-3
    )
    for step in run.loop():
        alone = step < BACKBONE_SHARE * run.steps
        loss = step_loss(model, head, painter.boards(BATCH), alone)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 50 == 0 and alone:
            run.report(loss=float(loss.detach()))
        elif (step + 1) % 100 == 0 or step + 1 == run.steps:
            clean, rough = measure(model, painter.boards(128, 0.0)), measure(model, painter.boards(128))
            run.report(loss=float(loss.detach()), **clean, **{f"rough_{k}": v for k, v in rough.items()})
    save(model, args.out)
    clean, rough = measure(model, painter.boards(1024, 0.0)), measure(model, painter.boards(1024))
    run.finish({"bank": data.digest, "stored": "float16; loaded as float32", "clean": clean, "rough": rough})


if __name__ == "__main__":
    main()
