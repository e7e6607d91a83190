"""Rectified flow as BAGEL samples it: times, guidance, renormalisation (bagel.py, generate_image and _forward_flow)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.models.bagel.config import Renorm


@dataclass(frozen=True)
class Sampler:
    """``steps`` points of time, of which the last is no evaluation; ``interval``: guidance where low < t ≤ high."""

    steps: int = 50
    shift: float = 3.0
    text_scale: float = 4.0
    image_scale: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)
    renorm: Renorm = "global"
    renorm_min: float = 0.0

    def times(self) -> list[tuple[float, float]]:
        """Each evaluation's time, from 1 down, and how far the step goes, in float32 as the original computes them."""
        line = torch.linspace(1, 0, self.steps)
        times = self.shift * line / (1 + (self.shift - 1) * line)
        return list(zip(times[:-1].tolist(), (times[:-1] - times[1:]).tolist(), strict=True))

    def guided(self, time: float) -> bool:
        # Bounds in float32 like the times, so that a bound which is a time is met.
        low, high = torch.tensor(self.interval).tolist()
        return self.text_scale > 1 and low < time <= high

    def guide(self, velocity: Tensor, without_text: Tensor, without_images: Tensor | None) -> Tensor:
        """One sample's velocity, (tokens, numbers), led away from those without the newest text and without images, and
        made no longer than it was.
        """
        text = without_text + self.text_scale * (velocity - without_text)
        if self.renorm == "text_channel":
            text = self._shortened(text, velocity)
        both = text
        if without_images is not None:
            both = without_images + self.image_scale * (text - without_images)
        return both if self.renorm == "text_channel" else self._shortened(both, velocity)

    def _shortened(self, guided: Tensor, velocity: Tensor) -> Tensor:
        """``global`` takes one length over all tokens of the sample: in the original, a batch's."""
        over = (0, 1) if self.renorm == "global" else (1,)
        before, after = (torch.linalg.vector_norm(x, dim=over, keepdim=True) for x in (velocity, guided))
        factor: Tensor = (before / (after + 1e-8)).clamp(min=self.renorm_min, max=1.0)
        return guided * factor
