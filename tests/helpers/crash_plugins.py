"""Mocks that kill, hang or exhaust their process, as plugins of a package: so child processes find them, too.

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
from plugin_packages import install_package

from evalharness import errors
from evalharness.api.model import Drawn
from evalharness.api.plugin import Plugin
from evalharness.execution.executors.ray.startup import ENVIRONMENT
from evalharness.testing import MockBenchmark, MockModel, MockScorer
from evalharness.types.item import Item
from evalharness.types.score import Score


class CrashingModel(MockModel):
    """Kills its process before the batch whose number is in the environment variable ``CRASH_AT_BATCH``."""

    class Settings(MockModel.Settings):
        """``notes``: a folder in which a line is kept of each sample that was drawn, and what happens only once.
        ``noise``: images that no compression makes smaller. ``raises``: the class in ``evalharness.errors`` of an error
        that is raised for each batch; or ``in child``, for one that a child process raises when it makes the model."""

        notes: Path | None = None
        weights: Path | None = None
        noise: bool = False
        raises: str | None = None

    name = "crashing"
    batches = 0
    settings: Settings

    def __init__(self, settings: Settings) -> None:
        if settings.raises == "in child" and "evalharness.execution.executors.child" in sys.modules:
            raise TypeError("raised where it is made")
        super().__init__(settings)

    def identity(self) -> Mapping[str, Any]:
        weights = None if self.settings.weights is None else self.settings.weights.read_text()
        return {**super().identity(), "noise": self.settings.noise, "weights": weights}

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        CrashingModel.batches += 1
        if CrashingModel.batches == int(os.environ.get("CRASH_AT_BATCH", "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.settings.raises is not None:
            raise getattr(errors, self.settings.raises)(f"{self.settings.raises} raised where it draws")
        if self.settings.notes is not None:
            seen = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {os.environ.get('OMP_NUM_THREADS')}"
            (self.settings.notes / f"environment-{os.getpid()}").write_text(seen)
        for prompt in prompts:
            self._crash(prompt)
        drawn = super().paint(prompts, seeds)
        if self.settings.noise:
            drawn = [self._noise(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        if self.settings.notes is not None:
            with (self.settings.notes / f"drawn-{os.getpid()}").open("a") as file:
                file.writelines(f"{prompt}\n" for prompt in prompts)
        return drawn

    def _crash(self, prompt: str) -> None:
        if "deadly" in prompt or ("once" in prompt and self._first(prompt)):
            os.kill(os.getpid(), signal.SIGKILL)
        if "hangs" in prompt and self._first(prompt):
            time.sleep(3600)
        if "waits" in prompt:
            (self._notes / "waiting").touch()
        while "waits" in prompt and not (self._notes / "go").exists():
            time.sleep(0.05)
        if "greedy" in prompt:
            hoard = []
            while True:
                hoard.append(b"x" * 50_000_000)
                time.sleep(0.02)

    def _noise(self, prompt: str, seed: int) -> Drawn:
        side = self.settings.size
        pixels = hashlib.shake_128(f"{prompt}{seed}".encode()).digest(side * side * 3)
        return Drawn(Image.frombytes("RGB", (side, side), pixels), 3)

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


class CrashingScorer(MockScorer):
    """Kills its process when it has scored as many images as the environment variable ``CRASH_AT_SCORE`` says."""

    batch_size = 16

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        scores = super().score(images, items)
        if 0 < int(os.environ.get("CRASH_AT_SCORE", "0")) <= len(MockScorer.scored):
            os.kill(os.getpid(), signal.SIGKILL)
        return scores


class CrashingBenchmark(MockBenchmark):
    """``items`` prompts; ``special`` takes the place of the first ones."""

    class Settings(MockBenchmark.Settings):
        items: int = 24
        special: tuple[str, ...] = ()

    name = "crashing"
    images_per_prompt = 1

    def __init__(self, settings: Settings) -> None:
        special = settings.special
        things = (f"thing {number}" for number in range(len(special), settings.items))
        super().__init__(settings.model_copy(update={"prompts": (*special, *things)}))

    def scorer(self) -> CrashingScorer:
        return CrashingScorer(self.settings.unscorable)


PLUGINS: dict[str, list[type[Plugin]]] = {"models": [CrashingModel], "benchmarks": [CrashingBenchmark]}


def install(folder: Path) -> dict[str, str]:
    """Put the package into ``folder``; returns the environment of a process that is to have it."""
    return {**ENVIRONMENT, **os.environ, "PYTHONPATH": install_package(folder, **PLUGINS)}
