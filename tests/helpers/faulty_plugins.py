"""A mock whose process or device fails, as plugins of a package: so child processes find it, too."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from plugin_packages import install_package
from waiting import until

from evalharness.api.model import Drawn
from evalharness.api.plugin import Plugin
from evalharness.testing import MockBenchmark, MockModel
from evalharness.types.trajectory import StepKind

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"
STICKY = "CUDA error: device-side assert triggered"


class FaultyModel(MockModel):
    """Draws as the mock does, until something is at fault."""

    class Settings(MockModel.Settings):
        """What fails.

        Attributes:
            notes: Folder that holds a file for each process that drew, was poisoned or had the broken device.
            fitting: Iterations that fit into the memory for prompts with ``large``.
            poisoned_after: Images after which the first process that draws so many fails for good.
            poisoned: Number of processes that fail so.
            message: What a poisoned process or a broken device says.
            broken_device: Value of ``CUDA_VISIBLE_DEVICES`` with which every drawing fails.
            broken_first: Processes that fail on the broken device before the others go on after their first drawing.
            loading: Seconds that ``prepare`` takes the first time.
        """

        notes: Path | None = None
        fitting: int | None = None
        poisoned_after: int | None = None
        poisoned: int = 1
        message: str = STICKY
        broken_device: str | None = None
        broken_first: int = 0
        loading: float = 0.0

    name = "faulty"
    settings: Settings
    images: ClassVar[int] = 0
    is_poisoned: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._loaded = False

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), "name": "mock"}

    def prepare(self) -> None:
        if not self._loaded:
            time.sleep(self.settings.loading)
            self._loaded = True

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        settings = self.settings
        if settings.broken_device is not None and os.environ.get("CUDA_VISIBLE_DEVICES") == settings.broken_device:
            self._note("broken")
            raise RuntimeError(settings.message)
        if FaultyModel.images and settings.broken_first:
            until("processes fail on the broken device", lambda: len(self._notes("broken")) >= settings.broken_first)
        if settings.poisoned_after is not None and FaultyModel.images >= settings.poisoned_after:
            self._poison()
        if FaultyModel.is_poisoned:
            raise RuntimeError(settings.message)
        drawn = super().paint(prompts, seeds)
        FaultyModel.images += len(drawn)
        self._note("drew")
        return drawn

    def draw(
        self,
        contexts: Sequence[list[str]],
        *,
        unguided: Sequence[list[str]],
        seeds: Sequence[int],
        kind: StepKind = "draw",
    ) -> list[Drawn]:
        fitting = self.settings.fitting
        for context in contexts:
            iterations = sum("<ins>" in text for text in context)
            if fitting is not None and iterations > fitting and "large" in context[0]:
                raise RuntimeError(OUT_OF_MEMORY)
        return super().draw(contexts, unguided=unguided, seeds=seeds, kind=kind)

    def _note(self, event: str) -> None:
        if self.settings.notes is not None:
            (self.settings.notes / f"{event}-{os.getpid()}-{os.environ.get('CUDA_VISIBLE_DEVICES')}").touch()

    def _notes(self, event: str) -> list[Path]:
        return [] if self.settings.notes is None else list(self.settings.notes.glob(f"{event}-*"))

    def _poison(self) -> None:
        assert self.settings.notes is not None
        if len(self._notes("poisoned")) < self.settings.poisoned:
            (self.settings.notes / f"poisoned-{os.getpid()}").touch()
            FaultyModel.is_poisoned = True


class FaultyBenchmark(MockBenchmark):
    """``items`` prompts, one image each."""

    class Settings(MockBenchmark.Settings):
        items: int = 24

    name = "faulty"
    images_per_prompt = 1

    def __init__(self, settings: Settings) -> None:
        prompts = tuple(f"thing {number}" for number in range(settings.items))
        super().__init__(settings.model_copy(update={"prompts": prompts}))


PLUGINS: dict[str, list[type[Plugin]]] = {"models": [FaultyModel], "benchmarks": [FaultyBenchmark]}


def install(folder: Path) -> dict[str, str]:
    """Put the package into ``folder``; returns the environment of a process that is to have it."""
    return {**os.environ, "PYTHONPATH": install_package(folder, **PLUGINS)}
