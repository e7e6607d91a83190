"""The next tokens of sixteen samples over BAGEL's vocabulary: a search of cumulative weights against a multinomial draw
of each sample on the CPU, which is what the sampler did before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
import torch
from bagel_rates import seconds_of
from figures import say
from torch import Tensor

from evalharness.models.bagel.token_sampling import TokenSampler

VOCABULARY, SAMPLES, TOKENS, TEMPERATURE = 152_064, 16, 20, 0.3

pytestmark = pytest.mark.perf


def by_multinomial(logits: Tensor, generators: Sequence[torch.Generator]) -> list[int]:
    chosen = []
    for row, generator in zip(logits, generators, strict=True):
        probabilities = (row.cpu() / TEMPERATURE).softmax(dim=-1)
        chosen.append(int(torch.multinomial(probabilities, 1, generator=generator)))
    return chosen


def test_sampling_of_tokens() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    logits = 3 * torch.randn((SAMPLES, VOCABULARY), generator=torch.Generator().manual_seed(0)).to(device)
    seeds = range(SAMPLES)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    sampler = TokenSampler(TEMPERATURE, seeds)
    times = {}
    for name, choose in {
        "multinomial": lambda: by_multinomial(logits, generators),
        "search": lambda: sampler(seeds, logits),
    }.items():
        choose()
        times[name] = min(seconds_of(device, choose)[0] for _ in range(TOKENS))
    say(
        f"{SAMPLES} samples, {VOCABULARY:,} tokens, {device}, {torch.get_num_threads()} threads, {date.today()}",
        *(f"  {name}: {1e3 * t:.1f} ms a pass, {1e3 * t / SAMPLES:.2f} ms a token" for name, t in times.items()),
        f"  ratio {times['multinomial'] / times['search']:.1f}",
    )
    assert times["search"] < times["multinomial"]
