"""Scoring a batch of images against scoring them one at a time, in one run and so on one machine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from PIL import Image

from evalharness.assets.weights_folder import embedded_weights
from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.miniature.world.board import render
from evalharness.miniature.world.scenes import right
from evalharness.types.item import Item

IMAGES = 64
BATCH = 32
NEEDED = ("detector", "clip")

pytestmark = [
    pytest.mark.perf,
    pytest.mark.skipif(
        not all(embedded_weights(name).is_dir() for name in NEEDED), reason="the embedded weights are not there"
    ),
]


@pytest.fixture
def pictures() -> tuple[list[Image.Image], list[Item]]:
    """Scenes that fulfil their prompts, a share of each of GenEval's categories."""
    every = GenEval(GenEval.Settings()).items()
    items = [every[index * len(every) // IMAGES] for index in range(IMAGES)]
    return [render(right(item.metadata, random.Random(item.id))) for item in items], items


def test_a_batch_is_faster_than_its_images_one_by_one(pictures: tuple[list[Image.Image], list[Item]]) -> None:
    images, items = pictures
    scorer = GenEval(GenEval.Settings(batch_size=BATCH)).scorer()
    scorer.score(images[:2], items[:2])  # the weights are loaded, the colours' texts encoded
    scorer.score(images, items)

    together = _seconds(lambda: scorer.score(images, items))
    alone = _seconds(lambda: [scorer.score([image], [item]) for image, item in zip(images, items, strict=True)])

    report = f"scoring {IMAGES} images: {together:.2f} s in batches of {BATCH}, {alone:.2f} s one by one"
    print(f"\n{report}: {alone / together:.2f} times as fast")  # noqa: T201 - the number is what this test is for
    assert together < alone, report


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The best of a few, which other load on the machine disturbs least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
