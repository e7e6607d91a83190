"""The default executor ``local``: the devices of this machine.

It works in one child process for each GPU or, without a GPU, for each processor. A run with little to do, or a machine
with one device, needs no child: then it works in this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from evalharness._util import gpus
from evalharness._util.devices import processor_count
from evalharness.api.executor import Done, Executor, WorkerState, WorkQueue
from evalharness.execution.executors.child_pool import MIN_WORK, ChildPool
from evalharness.execution.executors.in_process import InProcess

MAY_HAND_OVER = True
"""Whether a child goes on if this process may be at fault for a failure."""


class Local(Executor):
    """Chooses between this process and children, see docs/sweep-files.md."""

    class Settings(BaseModel):
        """The settings of the executor.

        Attributes:
            workers: Maximum number of child processes.
            in_process: Whether to work without children, with torch's own number of threads.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        workers: Literal["auto"] | Annotated[int, Field(ge=1, le=4096)] = "auto"
        in_process: bool = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._executor: InProcess | ChildPool | None = None

    def most_workers(self, model: str) -> int | None:
        workers = self.settings.workers
        return 1 if self.settings.in_process else None if workers == "auto" else workers

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished; see :class:`~evalharness.api.executor.Executor`."""
        if all(queue.finished for queue in queues):
            return
        if not isinstance(self._executor, ChildPool):
            self._executor = self._choose(queues)
        yield from self._executor.run(queues)
        if isinstance(self._executor, InProcess) and self._executor.faulty:
            devices = gpus.visible()
            self._executor = ChildPool(1, processor_count() if devices else 1, devices[:1])
            yield from self._executor.run(queues)

    def _choose(self, queues: Sequence[WorkQueue]) -> InProcess | ChildPool:
        if self.settings.in_process:
            return InProcess()
        workers = self.settings.workers
        size, threads, devices = children_of(None if workers == "auto" else workers)
        small = workers == "auto" and sum(queue.load for queue in queues) < MIN_WORK
        if size == 1 or small:
            return InProcess(single_threaded=not devices, may_hand_over=MAY_HAND_OVER)
        return ChildPool(size, threads, devices)

    def workers(self) -> list[WorkerState]:
        """The state of each worker."""
        if isinstance(self._executor, ChildPool):
            return self._executor.states()
        return self._executor.workers() if self._executor is not None else []

    def warnings(self) -> list[str]:
        """The devices that are not used any more."""
        return self._executor.warnings() if self._executor is not None else []

    def close(self) -> None:
        """End the children."""
        if isinstance(self._executor, ChildPool):
            self._executor.stop()
        self._executor = None


def children_of(workers: int | None) -> tuple[int, int, list[gpus.Gpu]]:
    """How this machine is shared: the number of children, the threads of each, and the GPUs.

    Args:
        workers: Maximum number of children; by default one for each GPU, else one for each processor.
    """
    devices = gpus.visible()
    size = len(devices) or processor_count()
    if workers is not None:
        size = min(workers, len(devices)) if devices else workers
    return size, max(1, processor_count() // size) if devices else 1, devices
