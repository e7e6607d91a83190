"""Untrained networks of the size of GenEval's, and images for them: what the speed of scoring is measured on.

Nothing here sees an object. Yet a detector must find some, as a program's time depends on how many masks it handles and
how many colours it asks for. So after drawing random weights:

- The branches of the decoder's layers are damped, or all hundred queries would end alike.
- All but four classes are biased away. For each of the four the query that likes it best gets a class score of about
  2/3, and the logits are stretched until, on one picture, no more than two queries find the class above 0.05.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import full_size
import torch
from PIL import Image

from evalharness._util.text import with_article
from evalharness.benchmarks.geneval.classes import COLORS
from evalharness.benchmarks.geneval.scorer import EVIDENCE_FLOOR
from evalharness.detectors import coco
from evalharness.miniature.world.board import render
from evalharness.miniature.world.scenes import right
from evalharness.types.item import Item

CLASSES = ("dog", "car", "cup", "bench")
OBJECTS = 2
"""Of each class in an image, faint ones included."""
BEST = math.log(2)
"""The logit of a class for the query that likes it best; that of "no object" is 0."""
SIDE = 512
CLIP = "ViT-L-14-quickgelu"


def items(number: int) -> list[Item]:
    """Prompts of the two kinds with colours, in turns."""
    rng = random.Random(0)
    made = []
    for index in range(number):
        classes = rng.sample(CLASSES, 1 + index % 2)
        things = list(zip(rng.sample(COLORS, len(classes)), classes, strict=True))
        tag = ("colors", "color_attr")[index % 2]
        prompt = "a photo of " + " and ".join(with_article(f"{color} {cls}") for color, cls in things)
        include = [{"class": cls, "count": 1, "color": color} for color, cls in things]
        made.append(Item(f"{index:05d}", prompt, tag, {"tag": tag, "include": include, "prompt": prompt}))
    return made


def picture(item: Item, seed: int) -> Image.Image:
    """A scene of the miniature's world that fulfils the prompt, in the size that many models draw."""
    small = render(right(item.metadata, random.Random(f"{item.id} {seed}")))
    return small.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def save_clip(file: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(open_clip.create_model(CLIP).state_dict(), file)


def save_detector(folder: Path) -> None:
    """A Mask2Former with Swin-S and MMDetection's preprocessing, as of transformers."""
    from transformers import Mask2FormerImageProcessor

    model = full_size.swin_small()
    processor = Mask2FormerImageProcessor(size={"shortest_edge": 800, "longest_edge": 1333}, size_divisor=32)
    with torch.no_grad():
        for layer in model.model.transformer_module.decoder.layers:
            for branch in (layer.cross_attn.out_proj, layer.self_attn.out_proj, layer.fc2):
                branch.weight.mul_(0.1)
                branch.bias.mul_(0.1)
        find_objects(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def find_objects(model: Any, processor: Any) -> None:
    """Set the class predictor as the module says."""
    from evalharness.detectors.mmdet_pipeline import normalize, resize

    image = resize(picture(items(1)[0], 0), processor)
    output = model(pixel_values=normalize(torch.from_numpy(image)[None], processor))
    [coco.CLASSES.index(name) for name in CLASSES]
    masks = output.masks_queries_logits[0].flatten(1)
    inside = masks > 0
    mask_scores = (masks.sigmoid() * inside).sum(1) / inside.sum(1).clamp(min=1)
    weight, bias = model.class_predictor.weight, model.class_predictor.bias
    old_weight, old_bias = weight.clone(), bias.clone()
    weight.zero_()
    bias.fill_(-30.0)
    bias[-1] = 0.0
    for name in CLASSES:
        label = coco.CLASSES.index(name)
        logits = output.class_queries_logits[0, :, label]
        stretch = next(step for step in range(1, 1000) if found(step * (logits - logits.max()), mask_scores) <= OBJECTS)
        weight[label] = stretch * old_weight[label]
        bias[label] = stretch * (old_bias[label] - logits.max()) + BEST


def found(below_best: torch.Tensor, mask_scores: torch.Tensor) -> int:
    """How many queries find a class, all else but "no object" aside."""
    return int(((below_best + BEST).sigmoid() * mask_scores > EVIDENCE_FLOOR).sum())
