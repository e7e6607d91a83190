"""Samples tokens from logits where these are computed: one uniform number a token, a search of cumulative weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalharness._util.finite import check_finite

WEIGHT_BITS = 35
"""Bits of the weight of the likeliest token. So the sum over any vocabulary of up to 2^18 tokens is exact in float64; a
token less likely than the likeliest by more than a factor of 2^36 is never sampled."""


class TokenSampler:
    """Samples the tokens of a batch, each sample with random numbers of its own.

    A token's weight is a whole number, so that their cumulative sums are exact in whatever order a device adds them: a
    sample's token does not depend on the other samples of the batch.

    Args:
        temperature: What the logits are divided by; 0 takes the likeliest token.
        seeds: A seed for each sample.
    """

    def __init__(self, temperature: float, seeds: Sequence[int]) -> None:
        self._temperature = temperature
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, samples: Sequence[int], logits: Tensor) -> list[int]:
        """Sample the next token of some samples.

        Args:
            samples: The index of the sample that each row is of.
            logits: ``(rows, vocabulary)``, float32.

        Raises:
            NotFiniteError: a logit is NaN or infinite.
        """
        least, largest = logits.aminmax(dim=-1)  # NaN if a number of the row is
        if not (least.isfinite() & largest.isfinite()).all():
            check_finite(logits, "the next token's logits")
        if self._temperature == 0:
            likeliest: list[int] = logits.argmax(dim=-1).tolist()
            return likeliest
        uniform = [torch.rand((), dtype=torch.float64, generator=self._generators[i]) for i in samples]
        chosen: list[int] = sample_rows(logits, self._temperature, torch.stack(uniform).to(logits.device)).tolist()
        return chosen


def sample_rows(logits: Tensor, temperature: float, uniform: Tensor) -> Tensor:
    """The token of each row at which the cumulative probability exceeds a number.

    Args:
        logits: ``(rows, vocabulary)``, float32.
        temperature: What they are divided by, above 0.
        uniform: ``(rows,)``, float64, in 0…1 without 1.

    Returns:
        ``(rows,)``, int64.
    """
    relative = (logits - logits.amax(dim=-1, keepdim=True)).div_(temperature)  # in place: memory is what takes time
    cumulative = relative.exp_().mul_(2.0**WEIGHT_BITS).round_().to(torch.int64).cumsum_(dim=-1)
    total = cumulative[:, -1:]
    target = (uniform[:, None] * total).floor().to(torch.int64).minimum(total - 1)
    return torch.searchsorted(cumulative, target, right=True)[:, 0]
