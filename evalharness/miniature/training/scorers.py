"""The scorer that looks at what a checkpoint draws: networks of a training, or the embedded ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from evalharness.training_data.filters import Case, Filter, Verdict
from evalharness.training_data.world import Task, World


def scorer_settings(detector: Path | None, clip: Path | None) -> dict[str, Any]:
    """Settings of the filter ``scorer`` with these networks; ``None``: the embedded one."""
    settings: dict[str, Any] = {}
    if detector is not None:
        settings["detector"] = {"name": "mask2former", "weights": str(detector)}
    if clip is not None:
        settings["colors"] = {"weights": str(clip)}
    return settings


def settings_of_folder(scorers: Path | None) -> dict[str, Any]:
    """The same with the networks ``detector`` and ``clip`` of a folder; ``None``: the embedded ones."""
    return scorer_settings(scorers and scorers / "detector", scorers and scorers / "clip")


def verdicts(scorer: Filter, world: World, tasks: Sequence[Task], images: Sequence[Image.Image]) -> list[Verdict]:
    """What a scorer says of the pictures of prompts; one without a verdict counts as wrong."""
    cases = [
        Case(image, task.graph, task.prompt, world.language.description(task.graph), world)
        for task, image in zip(tasks, images, strict=True)
    ]
    return [verdict or Verdict(False) for verdict in scorer.check(cases)]
