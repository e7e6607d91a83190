"""Scoring images by GenEval against a loop that does what the published program does, on networks of the same size.

``EVALHARNESS_PERF_IMAGES`` says how many images, 64 by default: 10 minutes and more a way on two CPU cores.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import untrained
from figures import say
from PIL import Image

from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.benchmarks.geneval.scorer import GenEvalScorer
from evalharness.benchmarks.geneval.scoring_rules import Rules
from evalharness.detectors import coco
from evalharness.types.item import Item

pytest.importorskip("mmdet", reason="MMDetection is not installed: pip install 'evalharness[geneval]'")

from official_loop import OfficialLoop

IMAGES = int(os.environ.get("EVALHARNESS_PERF_IMAGES", "64"))
PER_PROMPT = 4
BLOCK = 8
"""Images that each way scores before it is the other's turn, so that other load on the machine meets both."""

pytestmark = pytest.mark.perf


class Clock:
    """Seconds in all and within some calls, while it runs."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.running = False
        self.within: dict[str, float] = {}

    def now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def watch(self, owner: Any, method: str, name: str) -> None:
        function: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            start = self.now()
            result = function(*arguments, **options)
            if self.running:
                self.within[name] = self.within.get(name, 0.0) + self.now() - start
            return result

        setattr(owner, method, timed)

    def time(self, work: Callable[[], Any], running: bool) -> tuple[Any, float, float]:
        """The result, and seconds on the wall and of all cores."""
        self.running = running
        before, start = os.times(), self.now()
        result = work()
        wall, after = self.now() - start, os.times()
        return result, wall, sum(after[:4]) - sum(before[:4])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("weights")
    untrained.save_detector(folder / "detector")
    untrained.save_clip(folder / "clip.safetensors")
    yield folder
    (folder / "clip.safetensors").unlink()  # 1.7 GB, which pytest would keep


def files(folder: Path) -> list[tuple[Path, Item]]:
    made = []
    for item in untrained.items(-(-IMAGES // PER_PROMPT)):
        for index in range(PER_PROMPT):
            made.append((folder / f"{item.id}-{index}.png", item))
            untrained.picture(item, index).save(made[-1][0])
    return made[:IMAGES]


def scorer(weights: Path, device: str) -> GenEvalScorer:
    settings = {
        "detector": {"name": "mask2former", "weights": weights / "detector"},
        "colors": {"architecture": untrained.CLIP, "weights": weights / "clip.safetensors"},
        "device": device,
        "evidence_floor": Rules().threshold,  # colours for the objects that the published program sees, and no more
    }
    return GenEval(GenEval.Settings.model_validate(settings)).scorer()


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_faster_than_the_published_program(device: str, weights: Path, tmp_path: Path) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    images = files(tmp_path)
    ours = scorer(weights, device)
    detector, _ = ours.detector.load()
    clip = ours.colours.load()
    theirs = OfficialLoop(detector.state_dict(), coco.CLASSES, clip, device)
    clock = Clock(device)

    def one_way(part: list[tuple[Path, Item]]) -> list[tuple[float, str]]:
        scores = ours.score([Image.open(file) for file, _ in part], [item for _, item in part])
        return [(score.value, score.reason) for score in scores]

    def other_way(part: list[tuple[Path, Item]]) -> list[tuple[float, str]]:
        return [theirs.score(file, item.metadata) for file, item in part]

    for way, heads in ((one_way, ours.colours.heads), (other_way, theirs.heads)):
        way(images[:1])  # what is slow but once: kernels, memory
        heads.clear()
    for owner, method, name in (
        (detector, "forward", "detector"),
        (clip[0], "encode_image", "CLIP, images"),
        (clip[0], "encode_text", "CLIP, texts"),
    ):
        clock.watch(owner, method, name)

    times = []
    for start in range(0, len(images), BLOCK):
        part = images[start : start + BLOCK]
        verdicts, *mine = clock.time(lambda part=part: one_way(part), running=True)
        expected, *other = clock.time(lambda part=part: other_way(part), running=False)
        times.append((*mine, *other))
        assert verdicts == expected
    say(report(times, clock, len(images), theirs.crops))
    assert sum(row[0] for row in times) < sum(row[2] for row in times)


def report(times: list[tuple[float, ...]], clock: Clock, images: int, crops: int) -> str:
    """``times``: a row a block, seconds of wall and cores, our way and the other."""
    wall, cores, other_wall, other_cores = (sum(column) for column in zip(*times, strict=True))
    ratios = [row[2] / row[0] for row in times]
    lines = [
        f"{images} images on {clock.device}, {torch.get_num_threads()} threads: {wall / images:.2f} s an image against "
        f"{other_wall / images:.2f}: {other_wall / wall:.2f} times as fast, "
        f"median of blocks {statistics.median(ratios):.2f}, by time of all cores {other_cores / cores:.2f}",
        *(f"  {name}: {spent / images:.2f} s an image" for name, spent in clock.within.items()),
        f"  outside the networks: {1 - sum(clock.within.values()) / wall:.1%}",
    ]
    return "\n".join(lines)
