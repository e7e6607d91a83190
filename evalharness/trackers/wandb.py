"""Weights & Biases, and trackio, which speaks its API: ``init``, ``log``, ``Image`` and ``finish``.

Where the results go, and with which key, is for the tracker's own settings in the environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from evalharness.api.tracker import TrackedArm, Tracker


class Wandb(Tracker):
    """An arm is a run of the project, its sweep the group of the run."""

    name = "wandb"
    requires = ("wandb",)

    def track(self, arm: TrackedArm, project: str) -> None:
        """Log the metrics and pictures of an arm in one step."""
        api: Any = import_module(self.name)
        api.init(project=project, name=arm.name, group=arm.group, config=dict(arm.config))
        try:
            images = {
                name: [api.Image(str(image.path), caption=image.caption) for image in of_benchmark]
                for name, of_benchmark in arm.images.items()
            }
            api.log({**arm.metrics, **images})
        finally:
            api.finish()


class Trackio(Wandb):
    """The same for trackio, which keeps runs on this machine or in a space of the Hugging Face Hub."""

    name = "trackio"
    requires = ("trackio",)
