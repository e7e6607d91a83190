"""BAGEL's rectified flow: times, guidance, renormalization (bagel.py, generate_image and _forward_flow)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.models.bagel.config import Renorm


@dataclass(frozen=True)
class Sampler:
    """Settings of the sampler.

    Attributes:
        steps: number of points in time; the last one is not evaluated.
        shift: how far the times are shifted towards 1.
        text_scale: strength of text guidance.
        image_scale: strength of image guidance.
        interval: low and high; guidance is applied at low < t ≤ high.
        renorm: the scope over which the guided velocity is scaled down to at most the length of the unguided one.
        renorm_min: lower bound of the scaling factor.
    """

    steps: int = 50
    shift: float = 3.0
    text_scale: float = 4.0
    image_scale: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)
    renorm: Renorm = "global"
    renorm_min: float = 0.0

    def times(self) -> list[tuple[float, float]]:
        """Time and step length of each evaluation, from 1 downwards, in float32 as the original computes them."""
        line = torch.linspace(1, 0, self.steps)
        times = self.shift * line / (1 + (self.shift - 1) * line)
        return list(zip(times[:-1].tolist(), (times[:-1] - times[1:]).tolist(), strict=True))

    def guided(self, time: float) -> bool:
        """Whether guidance is applied at a time."""
        # The bounds are rounded to float32 like the times, so that a bound can equal a time.
        low, high = torch.tensor(self.interval).tolist()
        return self.text_scale > 1 and low < time <= high

    def guide(self, velocity: Tensor, without_text: Tensor, without_images: Tensor | None) -> Tensor:
        """Classifier-free guidance of one sample's velocity, renormalized to at most its length.

        Args:
            velocity: ``(tokens, latent width)``.
            without_text: the velocity without the newest text.
            without_images: the velocity without images, if image guidance is used.
        """
        text = without_text + self.text_scale * (velocity - without_text)
        if self.renorm == "text_channel":
            text = self._shortened(text, velocity)
        both = text
        if without_images is not None:
            both = without_images + self.image_scale * (text - without_images)
        return both if self.renorm == "text_channel" else self._shortened(both, velocity)

    def _shortened(self, guided: Tensor, velocity: Tensor) -> Tensor:
        """Limit the length to the unguided one; ``global`` spans all tokens of a sample (in the original, a batch)."""
        over = (0, 1) if self.renorm == "global" else (1,)
        before, after = (torch.linalg.vector_norm(x, dim=over, keepdim=True) for x in (velocity, guided))
        factor: Tensor = (before / (after + 1e-8)).clamp(min=self.renorm_min, max=1.0)
        return guided * factor
