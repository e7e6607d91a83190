"""Shows how far the queues of a pass are, as stages of the run's progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evalharness._util.progress import Stage
from evalharness.execution.queues import Queue

OpenStage = Callable[[str, int], Stage]


@dataclass
class StageProgress:
    """The stages of a pass. Queues of one title are shown together.

    Attributes:
        queues: All queues that are counted.
        stages: What is shown, by title.
        undrawn: Samples that wait for a trajectory, each of which will need a score.
    """

    queues: list[Queue] = field(default_factory=list)
    stages: dict[str, Stage] = field(default_factory=dict)
    undrawn: int = 0

    def open(self, queue: Queue, open_stage: OpenStage) -> None:
        """Show the stage of a queue, if it is not shown yet."""
        if queue.title not in self.stages:
            self.stages[queue.title] = open_stage(queue.title, 0)
        self._resize()

    def advance(self, queue: Queue, done: int, failed: int) -> None:
        """Count jobs of a queue as done."""
        self._resize()
        if done:
            self.stages[queue.title].advance(done, failed)

    def _resize(self) -> None:
        for title, stage in self.stages.items():
            total = sum(queue.total for queue in self.queues if queue.title == title)
            stage.resize(total + (self.undrawn if title == "score" else 0))
