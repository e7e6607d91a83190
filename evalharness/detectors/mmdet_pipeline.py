"""MMDetection's test-time pipeline and instance post-processing for transformers' Mask2Former.

GenEval's published scores come from MMDetection. Its pipeline differs from transformers' own image processor, which
stretches an image to a multiple of 32 instead of padding it and applies antialiasing when it downscales. So both ends
are implemented here: resizing, padding, and the step from queries to instances as in
``MaskFormerFusionHead.instance_postprocess``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalharness.errors import WeightsError

if TYPE_CHECKING:
    import torch


MAX_INSTANCES = 100
"""MMDetection's ``max_per_image``."""
PAD_VALUE = 128
"""Grey of the border that makes an image fit the network, before it is normalised.

It is that of MMDetection 2.28's config of GenEval's detector. MMDetection 3.x pads the normalised image with zeros,
which is another picture where a side is no multiple of the divisor.
"""


class Sizes(NamedTuple):
    """Heights and widths in pixels."""

    padded: tuple[int, int]
    """The network's input."""
    resized: tuple[int, int]
    """The resized image inside the padded input."""
    image: tuple[int, int]
    """The original image."""


def resize(image: Image.Image, processor: Any) -> NDArray[np.uint8]:
    """Resize an image to the network's input size with OpenCV's bilinear filter, as MMDetection does.

    Returns:
        RGB bytes ``(height, width, 3)``.
    """
    import cv2

    pixels = np.asarray(image.convert("RGB"))
    if processor.do_resize:
        height, width = target_size(pixels.shape[0], pixels.shape[1], processor.size)
        if (height, width) != pixels.shape[:2]:
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(pixels, dtype=np.uint8)


def padded_size(height: int, width: int, divisor: int) -> tuple[int, int]:
    """Height and width after a border at the bottom and on the right, as small as makes both multiples of a number.

    >>> padded_size(800, 1067, 32)
    (800, 1088)
    """
    return height + -height % divisor, width + -width % divisor


def normalize(pixels: torch.Tensor, processor: Any) -> torch.Tensor:
    """Bytes ``(n, height, width, 3)`` → floats ``(n, 3, height, width)``, on the same device."""
    scaled = pixels.float() * (processor.rescale_factor if processor.do_rescale else 1.0)
    if processor.do_normalize:
        scaled = (scaled - scaled.new_tensor(processor.image_mean)) / scaled.new_tensor(processor.image_std)
    return scaled.permute(0, 3, 1, 2)


def target_size(height: int, width: int, size: Any) -> tuple[int, int]:
    """Height and width of an image at the network's input.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.
        size: ``size`` of a preprocessor config. With ``shortest_edge`` and ``longest_edge`` the aspect ratio is kept
            and the image is as large as both bounds allow; ``height`` and ``width`` are a fixed size.

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
    """The best pairs of query and class, best first. A query may appear with several classes.

    Args:
        class_logits: ``(queries, classes + 1)``, "no object" last.
        min_score: pairs at or below it are left out: the mask score, at most 1, cannot raise them.

    Returns:
        Class scores, labels and query indices, each of shape ``(pairs,)``.
    """
    scores = class_logits.softmax(-1)[:, :-1]
    classes = scores.shape[1]
    top, indices = scores.flatten().topk(min(MAX_INSTANCES, scores.numel()))
    indices, top = indices[top > min_score], top[top > min_score]
    return top, indices % classes, indices // classes


def mask_instances(logits: torch.Tensor, sizes: Sizes) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Upsample mask logits to the image and derive scores and boxes.

    Args:
        logits: coarse logits ``(n, h, w)``.
        sizes: the sizes of the network's input and of the image.

    Returns:
        Boolean masks ``(n, height, width)``; their scores ``(n,)``, each the mean probability inside the mask; boxes
        ``(n, 4)`` as x1, y1, x2, y2 in pixels, x2 and y2 exclusive, all zeros for an empty mask.
    """
    import torch

    def upsample(values: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        return torch.nn.functional.interpolate(values[:, None], size, mode="bilinear", align_corners=False)[:, 0]

    if len(logits) == 0:
        empty = logits.new_zeros((0, *sizes.image), dtype=torch.bool)
        return empty, logits.new_zeros(0), torch.zeros((0, 4), dtype=torch.int64)
    full_size = upsample(upsample(logits, sizes.padded)[:, : sizes.resized[0], : sizes.resized[1]], sizes.image)
    masks = full_size > 0
    scores = (full_size.sigmoid() * masks).flatten(1).sum(1) / (masks.flatten(1).sum(1) + 1e-6)
    x1, x2 = _bounds(masks.any(dim=1))
    y1, y2 = _bounds(masks.any(dim=2))
    return masks, scores, torch.stack([x1, y1, x2, y2], dim=1)


def _bounds(occupied: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Per row of ``(n, length)``: the first true index and one past the last one; zeros for a row without any."""
    first = occupied.int().argmax(dim=1)
    last = occupied.shape[1] - occupied.flip(1).int().argmax(dim=1)
    return first, last * occupied.any(dim=1)
