"""Would BAGEL be faster with FlexAttention in place of SDPA sequence by sequence, or with compiled layers? As ratios.

Both compute the same first. On a CPU with a small random configuration, on a GPU attention has the sizes of the 7B.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import bagel_small as small
import pytest
import torch
from torch import Tensor

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

import bagel_random
from bagel_rates import PROMPTS, STEPS, random_bagel, rates, seconds_of
from figures import say
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from evalharness.models.bagel.cache import Cache, View
from evalharness.models.bagel.config import LanguageSizes
from evalharness.models.bagel.layers import Attention, Layout

pytestmark = pytest.mark.perf

CUDA = torch.cuda.is_available()
LLM: Mapping[str, Any] = small.FULL_LLM if CUDA else bagel_random.LLM
LATENTS, PASTS = (4096, (60, 9200)) if CUDA else (256, (20, 300, 700, 1200))
"""Of each drawing; tokens of its context, and of what guides it away, half as many."""


def medians(device: torch.device, ways: Mapping[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """Seconds of each way, taken by turns, so that other load meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            seconds[name].append(seconds_of(device, way)[0])
    return {name: statistics.median(times_of_way) for name, times_of_way in seconds.items()}


def test_flex_attention_over_packed_contexts() -> None:
    """A drawing's step in one layer: keys of contexts of unlike lengths behind one another, and one mask of blocks."""
    device, dtype = torch.device("cuda" if CUDA else "cpu"), torch.bfloat16 if CUDA else torch.float32
    sizes = LanguageSizes.model_validate(LLM)
    heads, groups, width = sizes.num_attention_heads, sizes.num_key_value_heads, sizes.head_width
    lengths, new = [past // part for past in PASTS for part in (1, 2)], LATENTS + 2

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    views = [View(Cache([noise(2, groups, length + 50, width)], length), length, 0) for length in lengths]
    query, new_keys = noise(heads, new * len(views), width), noise(2, groups, new * len(views), width)
    layout = Layout(0, [new] * len(views), views, causal=False, keep=False)
    with torch.device("meta"):
        attention = Attention(sizes, 0)

    def one_by_one() -> Tensor:
        parts = zip(query.split(new, 1), new_keys.split(new, 2), views, strict=True)
        return torch.cat([attention.attend(*part, layout) for part in parts])

    row = torch.arange(len(views), device=device).repeat_interleave(new)
    totals = torch.tensor([length + new for length in lengths], device=device)
    column = torch.arange(len(views), device=device).repeat_interleave(totals)
    start = time.perf_counter()
    mask = create_block_mask(
        lambda b, h, q, k: row[q] == column[k], None, None, len(row), len(column), device=str(device), _compile=CUDA
    )
    compiled = torch.compile(flex_attention, dynamic=False)

    def packed() -> Tensor:
        pairs = zip(new_keys.split(new, 2), views, strict=True)
        keys, values = torch.cat([view.cache.joined(0, view.length, part) for part, view in pairs], dim=2)
        out = compiled(query[None], keys[None], values[None], block_mask=mask, enable_gqa=True)
        assert isinstance(out, Tensor)
        return out[0].transpose(0, 1).flatten(1)

    with torch.inference_mode():
        torch.testing.assert_close(packed(), one_by_one(), rtol=1e-2, atol=2e-2 if CUDA else 1e-5)
        first = time.perf_counter() - start
        took = medians(device, {"sdpa": one_by_one, "flex": packed}, 7)
    say(
        f"attention of {len(views)} sequences of {new} tokens behind {lengths}, {device}, {date.today()}:",
        f"  SDPA one by one {1000 * took['sdpa']:.1f} ms, FlexAttention {1000 * took['flex']:.1f} ms "
        f"({took['sdpa'] / took['flex']:.2f} of the speed); mask and compilation {first:.0f} s",
    )


def test_compiled_layers(tmp_path: Path) -> None:
    """Whole layers, on a CPU."""
    eager, compiled = random_bagel(tmp_path, "exact"), random_bagel(tmp_path, "exact")
    for layer in compiled.bagel.network.language_model.model.layers:
        layer.compile()
    prompts, start = PROMPTS[:2], time.perf_counter()
    for _ in range(2):  # once more, as sizes that change are only then taken for variable
        rates(compiled, prompts, 2, 6)
    first = time.perf_counter() - start
    speeds: dict[str, list[tuple[float, float]]] = {"eager": [], "compiled": []}
    texts = {}
    for _ in range(3):
        for name, runtime in (("eager", eager), ("compiled", compiled)):
            tokens, evaluations, texts[name], _ = rates(runtime, prompts, 2, 24)
            speeds[name].append((tokens, evaluations))
    assert texts["eager"] == texts["compiled"]
    ratios = [
        statistics.median(speed[i] for speed in speeds["compiled"])
        / statistics.median(speed[i] for speed in speeds["eager"])
        for i in (0, 1)
    ]
    say(
        f"compiled layers against eager ones, cpu, {STEPS} steps, {date.today()}: {ratios[0]:.2f} of the speed when "
        f"writing, {ratios[1]:.2f} when drawing; compilation {first:.0f} s"
    )
