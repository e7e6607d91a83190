"""A model that costs nothing, and a benchmark for it, as plugins of a package: so Ray's workers find them, too.

What a sample's prompt holds decides what becomes of it: ``deadly`` kills the process that draws it, ``once`` only the
first that does, ``hangs`` never ends there the first time, ``waits`` ends once the notes have a file ``go``, ``greedy``
takes more and more memory. :func:`install` makes the package.
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

from evalharness import errors
from evalharness.api.benchmark import Benchmark, Scorer
from evalharness.api.model import Drawn, ImageModel
from evalharness.execution.executors.ray.startup import ENVIRONMENT
from evalharness.types.item import Item, PromptSet
from evalharness.types.score import Score

ENTRY_POINTS = """\
[evalharness.models]
toy = toy_plugins:ToyModel
[evalharness.benchmarks]
toy = toy_plugins:ToyBenchmark
"""
METADATA = "Metadata-Version: 2.1\nName: toy\nVersion: 1\n"


def install(folder: Path) -> dict[str, str]:
    """Put the package there; the environment of a process that is to have it."""
    info = folder / "toy-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    paths = [str(folder), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**ENVIRONMENT, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


class ToyModel(ImageModel):
    class Settings(BaseModel):
        """``notes``: a folder in which a line is kept of each sample that was drawn, and what happens only once.
        ``noise``: images that no compression makes smaller. ``raises``: the class in ``evalharness.errors`` of an error
        that is raised for each batch; or ``in child``, for one that a child process raises when it makes the model."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        notes: Path | None = None
        weights: Path | None = None
        seconds: float = 0.0
        size: int = 8
        noise: bool = False
        batch_size: int = 4
        raises: str | None = None

    name = "toy"

    def __init__(self, settings: Settings) -> None:
        if settings.raises == "in child" and "evalharness.execution.executors.child" in sys.modules:
            raise TypeError("raised where it is made")
        self.settings = settings
        self.batch_size = settings.batch_size

    def identity(self) -> Mapping[str, Any]:
        weights = None if self.settings.weights is None else self.settings.weights.read_text()
        return {"name": self.name, "size": self.settings.size, "noise": self.settings.noise, "weights": weights}

    def check(self, prompt: str) -> None:
        """Takes all."""

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        if self.settings.raises is not None:
            raise getattr(errors, self.settings.raises)(f"{self.settings.raises} raised where it draws")
        if self.settings.notes is not None:
            seen = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {os.environ.get('OMP_NUM_THREADS')}"
            (self.settings.notes / f"environment-{os.getpid()}").write_text(seen)
        time.sleep(self.settings.seconds * len(prompts))
        drawn = [self._draw(*pair) for pair in zip(prompts, seeds, strict=True)]
        if self.settings.notes is not None:
            with (self.settings.notes / f"drawn-{os.getpid()}").open("a") as file:
                file.writelines(f"{prompt}\n" for prompt in prompts)
        return drawn

    def _draw(self, prompt: str, seed: int) -> Drawn:
        if "deadly" in prompt or ("once" in prompt and self._first(prompt)):
            os.kill(os.getpid(), signal.SIGKILL)
        if "hangs" in prompt and self._first(prompt):
            time.sleep(3600)
        while "waits" in prompt and not (self._notes / "go").exists():
            time.sleep(0.05)
        if "greedy" in prompt:
            hoard = []
            while True:
                hoard.append(b"x" * 50_000_000)
                time.sleep(0.02)
        if self.settings.noise:
            side = self.settings.size
            pixels = hashlib.shake_128(f"{prompt}{seed}".encode()).digest(side * side * 3)
            return Drawn(Image.frombytes("RGB", (side, side), pixels), 1)
        color = hashlib.sha256(f"{prompt}{seed}".encode()).digest()
        return Drawn(Image.new("RGB", (self.settings.size, self.settings.size), tuple(color[:3])), 1)

    @property
    def _notes(self) -> Path:
        assert self.settings.notes is not None
        return self.settings.notes

    def _first(self, prompt: str) -> bool:
        try:
            (self._notes / f"first-{prompt}").touch(exist_ok=False)
            return True
        except FileExistsError:
            return False


class ToyScorer(Scorer):
    batch_size = 16

    def identity(self) -> Mapping[str, Any]:
        return {"name": "toy", "version": "1"}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        reds = [image.tobytes()[0] for image in images]
        return [Score(red / 255, "", {"red": red}) for red in reds]


class ToyBenchmark(Benchmark):
    """``items`` prompts; ``special`` takes the place of the first ones."""

    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        items: int = 24
        special: tuple[str, ...] = ()

    name = "toy"
    version = "1"
    weights: Mapping[str, float] = {"odd": 0.5, "even": 0.5}
    images_per_prompt = 1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def prompt_set(self) -> PromptSet:
        return PromptSet("original", "0" * 64)

    def items(self) -> list[Item]:
        own = dict(enumerate(self.settings.special))
        return [
            Item(str(number), own.get(number, f"thing {number}"), ("even", "odd")[number % 2], {"number": number})
            for number in range(self.settings.items)
        ]

    def scorer(self) -> ToyScorer:
        return ToyScorer()
