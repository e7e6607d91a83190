"""A model that draws its seed as colours, a benchmark that looks at them, and a report that lists what it is given.

Run as a script it is ``python -m evalharness.sweep`` with this report, unless REAL_REPORT is set, and with these
variants if FAKE_VARIANTS is set; for tests that kill the process.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict

import evalharness.report
from evalharness.api.benchmark import Benchmark, Scorer
from evalharness.api.model import Drawn, Interleaver
from evalharness.errors import SampleError
from evalharness.execution.executors import local
from evalharness.generation import variants
from evalharness.generation.steps import png_bytes
from evalharness.store.results import Results
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory

SWEEP = """\
name: tiny
seed: 3
model: fake
benchmarks:
  - {name: fake, limit: 6, samples: 1}
arms:
  - {name: single, variant: single_pass}
  - {name: process, variant: process, max_iterations: 1..3}
"""


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int = 2


class FakeModel(Interleaver):
    """``kill_after``: the process kills itself when so many batches have been drawn. ``broken``: prompts that raise."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        weights: Path | None = None
        size: int = 8
        sampler: Inner = Inner()

    name = "fake"
    batch_size = 4
    formats = ("strokes",)
    guided = False
    continues = False
    words: Mapping[str, str] = {}
    painted: list[tuple[str, int]] = []  # noqa: RUF012 - shared on purpose: tests read what any instance drew
    batches = 0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name, "size": self.settings.size}

    def check(self, prompt: str) -> None:
        if "unspeakable" in prompt:
            raise SampleError("not in the vocabulary: 'unspeakable'")

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        assert len(prompts) <= self.batch_size
        if any("broken" in prompt for prompt in prompts) and not os.environ.get("FAKE_HEALED"):
            raise ValueError("the brush\nbroke")
        FakeModel.batches += 1
        if FakeModel.batches == int(os.environ.get("FAKE_KILL_AT_BATCH", "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        FakeModel.painted += zip(prompts, seeds, strict=True)
        return [Drawn(self._image(*pair), 3) for pair in zip(prompts, seeds, strict=True)]

    def _image(self, prompt: str, seed: int) -> Image.Image:
        color = hashlib.sha256(f"{prompt}{seed}".encode()).digest()
        return Image.new("RGB", (self.settings.size, self.settings.size), tuple(color[:3]))

    def start(self, count: int) -> Any: ...
    def blank(self) -> Any: ...
    def read(self, contexts: Any, texts: Any) -> None: ...
    def look(self, contexts: Any, images: Any) -> None: ...
    def write(self, contexts: Any, *, stop: Any, max_tokens: int, seeds: Any, opening: str = "", ask: str = "") -> Any:
        """Never called: the fake variants only paint."""

    def draw(self, contexts: Any, *, unguided: Any, seeds: Any) -> Any: ...


class FakeScorer(Scorer):
    batch_size = 3
    looked = 0

    def identity(self) -> Mapping[str, Any]:
        return {"name": "fake", "version": "1"}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        if any("unscorable" in item.prompt for item in items) and not os.environ.get("FAKE_HEALED"):
            raise SampleError("nothing to look at")
        FakeScorer.looked += len(images)
        if FakeScorer.looked >= int(os.environ.get("FAKE_KILL_AT_LOOK", "1000")):
            os.kill(os.getpid(), signal.SIGKILL)
        reds = [image.tobytes()[0] for image in images]
        return [Score(float(red > 100), "" if red > 100 else "not red", {"red": red}) for red in reds]


class FakeBenchmark(Benchmark):
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        prompts: tuple[str, ...] = tuple(f"thing {number}" for number in range(10))

    name = "fake"
    version = "1"
    weights: Mapping[str, float] = {"odd": 0.5, "even": 0.5}
    images_per_prompt = 2

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def prompt_set(self) -> PromptSet:
        return PromptSet("original", "0" * 64)

    def items(self) -> list[Item]:
        return [
            Item(str(number), prompt, ("even", "odd")[number % 2], {"number": number})
            for number, prompt in enumerate(self.settings.prompts)
        ]

    def scorer(self) -> FakeScorer:
        return FakeScorer()


ENTRY_POINTS = """\
[evalharness.models]
fake = core_fakes:FakeModel
[evalharness.benchmarks]
fake = core_fakes:FakeBenchmark
asked = judged_benchmark:AskedBenchmark
"""


def install(folder: Path) -> None:
    """Write the metadata of an installed package; with ``folder`` on the import path its plugins are found."""
    info = folder / "fakes-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakes\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


def run(
    variant: Any, model: FakeModel, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[Any] = ()
) -> list[Trajectory]:
    """A stand-in for the variants: iteration i draws with seed + i; a sample with an even seed is done after two."""
    cap = getattr(variant, "max_iterations", None)
    made = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        rounds = 1 if cap is None else min(cap, 2 if seed % 2 == 0 else cap)
        steps = []
        for number in range(rounds):
            drawn = model.paint([prompt], [seed + number])[0]
            iteration = 0 if cap is None else number + 1
            steps.append(Step("draw", iteration, "", png_bytes(drawn.image), seed + number, Cost(3, 0, 0.5)))
        made.append(Trajectory(tuple(steps), cap is None or (seed % 2 == 0 and rounds == 2)))
    return made


def build(results: Results, out: Path, *, gallery_mb: float | None = None) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    page = out / "index.html"
    columns = ["benchmark", "arm", "item", "seed_index", "seed", "state", "score", "reason", "image", "iterations"]
    page.write_text(results.samples[columns].to_csv(index=False))
    return page


if __name__ == "__main__":
    local.MIN_WORK = sys.maxsize  # no child processes
    if not os.environ.get("REAL_REPORT"):
        evalharness.report.build = build  # type: ignore[attr-defined]
    if os.environ.get("FAKE_VARIANTS"):
        variants.run = run
    from evalharness.cli.sweep import main

    sys.exit(main())
