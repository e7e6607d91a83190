"""BAGEL of random weights on a card: whether a batch changes bytes, and what a second worker on the card brings.

The same on a CPU at toy size, so that it is known to work before the day there is a card.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bagel_small as small
import pytest
import torch
from figures import say

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

import bagel_random
from bagel_rates import PROMPTS, SIDE, SMALL, contexts_of

from evalharness.models.bagel.runtime import Runtime

pytestmark = pytest.mark.perf

SIZES = ["toy", pytest.param("card", marks=pytest.mark.gpu)]
LAYERS = 7
"""Of 28: a quarter of the 7B, which a card holds twice."""


def runtime_of(size: str, folder: Path, mode: str = "exact") -> Runtime:
    if size == "toy":
        sizes = bagel_random.sizes_of(bagel_random.LLM, small.VIT, SIDE // 16)
        return bagel_random.make(sizes, small.AE["ch"], folder, {**SMALL, "mode": mode, "steps": 3}, large=True)
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    llm = small.FULL_LLM | {"num_hidden_layers": LAYERS, "max_window_layers": LAYERS}
    sizes = bagel_random.sizes_of(llm, small.FULL_VIT, 64)
    settings = {"device": "cuda", "dtype": "bfloat16", "mode": mode, "steps": 10, "temperature": 0.3}
    return bagel_random.make(sizes, 128, folder, settings, large=True)


def made(runtime: Runtime, samples: Sequence[int]) -> list[tuple[str, bytes]]:
    """What each sample writes and then draws, together with the others."""
    contexts = contexts_of(runtime, [PROMPTS[i] for i in samples])
    texts = runtime.write(contexts, ("<|im_end|>",), 16, list(samples))
    images = runtime.draw(contexts, list(samples))
    return [(text.text, image.tobytes()) for text, image in zip(texts, images, strict=True)]


@pytest.mark.parametrize("size", SIZES)
def test_a_batch_changes_no_byte_in_exact(size: str, tmp_path: Path) -> None:
    lines = []
    for mode in ("exact", "fast"):
        runtime = runtime_of(size, tmp_path, mode)
        alone = [made(runtime, [i])[0] for i in range(4)]
        outcomes = {"alone, again": [made(runtime, [i])[0] for i in range(4)], "four": made(runtime, range(4))}
        for name, outcome in outcomes.items():
            texts, images = ([a[n] == b[n] for a, b in zip(alone, outcome, strict=True)] for n in (0, 1))
            lines.append(f"{mode}, {name}: {sum(texts)} of 4 texts and {sum(images)} of 4 images have the same bytes")
            assert mode == "fast" or all(texts + images), lines[-1]
        del runtime
    say(*lines)


def draw_in_turn(size: str, folder: str, ready: Any, go: Any, spent: Any) -> None:
    """A worker: load, say so, wait for the others, draw, and tell the seconds that it took."""
    runtime = runtime_of(size, Path(folder))
    made(runtime, [0])  # what is slow but once
    ready.put(1)
    go.wait()
    start = time.perf_counter()
    for i in range(4):
        made(runtime, [i])
    spent.put(time.perf_counter() - start)


@pytest.mark.parametrize("size", SIZES)
def test_two_workers_on_one_card(size: str, tmp_path: Path) -> None:
    if size == "card" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    rates = {}
    for count in (1, 2):
        context = multiprocessing.get_context("spawn")
        ready, go, spent = context.Queue(), context.Event(), context.Queue()
        workers = []
        for number in range(count):
            folder = tmp_path / f"{count}-{number}"
            workers.append(context.Process(target=draw_in_turn, args=(size, str(folder), ready, go, spent)))
            workers[-1].start()
        for _ in workers:
            ready.get(timeout=300)
        go.set()
        seconds = max(spent.get(timeout=300) for _ in workers)
        for worker in workers:
            worker.join(60)
        rates[count] = 4 * count / seconds
    say(
        f"one worker: {60 * rates[1]:.1f} samples/min of 16 tokens and an image; two workers on the same device: "
        f"{60 * rates[2]:.1f} ({rates[2] / rates[1]:.2f} times)"
    )
