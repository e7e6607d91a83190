"""How fast a BAGEL of random weights writes and draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bagel_random
import bagel_small as small
import torch

from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.runtime import Runtime

SIDE, STEPS, TOKENS = 128, 8, 24
WORDS = ["A", "smooth", "picture", "with", "an", "edge,", "another", "for"]
PROMPTS = tuple(" ".join(WORDS[:count]) for count in range(1, 9))
SMALL = {
    "device": "cpu", "dtype": "float32", "height": SIDE, "width": SIDE, "steps": STEPS, "interval": (0.0, 1.0),
    "temperature": 0, "vae_sizes": (SIDE, SIDE), "vit_sizes": small.VIT_SIZES,
}  # fmt: skip


def random_bagel(folder: Path, mode: str) -> Runtime:
    sizes = bagel_random.sizes_of(bagel_random.LLM, small.VIT, SIDE // 16)
    return bagel_random.make(sizes, small.AE["ch"], folder, {**SMALL, "mode": mode}, large=False)


def contexts_of(runtime: Runtime, prompts: Sequence[str]) -> list[Context]:
    contexts = [Context() for _ in prompts]
    runtime.read(contexts, prompts)
    return contexts


def seconds_of(device: torch.device, work: Callable[[], Any]) -> tuple[float, Any]:
    """On the CPU those of its cores, which other load on the machine disturbs least."""

    def now() -> float:
        if device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(device)
        return time.perf_counter()

    start = now()
    result = work()
    return now() - start, result


def rates(
    runtime: Runtime, prompts: Sequence[str], size: int, tokens: int
) -> tuple[float, float, list[str], list[Any]]:
    """Tokens and function evaluations a second in batches of ``size``; the texts and the images."""
    writing, drawing, count = 0.0, 0.0, 0
    texts: list[str] = []
    images: list[Any] = []
    for start in range(0, len(prompts), size):
        part = prompts[start : start + size]
        seeds = range(start, start + len(part))
        contexts = contexts_of(runtime, part)
        spent, written = seconds_of(
            runtime.device, lambda c=contexts, s=seeds: runtime.write(c, ("<|im_end|>",), tokens, list(s))
        )
        writing += spent
        count += sum(text.tokens for text in written)
        texts += [text.text for text in written]
        contexts = contexts_of(runtime, part)
        spent, drawn = seconds_of(runtime.device, lambda c=contexts, s=seeds: runtime.draw(c, list(s)))
        drawing += spent
        images += drawn
    evaluations = len(prompts) * (runtime.settings.steps - 1)
    return count / writing, evaluations / drawing, texts, images
