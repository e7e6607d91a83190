"""The interface of experiment trackers, which keep the results of many runs side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.api.plugin import Plugin


@dataclass(frozen=True, slots=True)
class TrackedImage:
    """A picture of an arm: its PNG file, and a caption with prompt and verdict."""

    path: Path
    caption: str


@dataclass(frozen=True, slots=True)
class TrackedArm:
    """The results of an arm, which a tracker keeps as a run of its own.

    Attributes:
        name: The arm.
        group: The name of the sweep, which its arms share.
        config: What was run; JSON.
        metrics: Known numbers by names such as ``geneval/score``.
        images: A few pictures of each benchmark.
    """

    name: str
    group: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    images: Mapping[str, Sequence[TrackedImage]] = field(default_factory=dict)


class Tracker(Plugin, ABC):
    """A plugin that hands results to a tracker. It is asked when the report is written."""

    @abstractmethod
    def track(self, arm: TrackedArm, project: str) -> None:
        """Keep the results of an arm as a run of a project. An error ends the tracking, not the report."""
