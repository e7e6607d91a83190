"""The interface of executors, and the splitting of a batch if one of its samples fails."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from evalharness.api.failure import Failure, failure_of, release_memory
from evalharness.api.plugin import Plugin
from evalharness.errors import BudgetError, failure_kind
from evalharness.types.trajectory import PartialTrajectory

J = TypeVar("J")
R = TypeVar("R")
J_contra = TypeVar("J_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Worker(Protocol[J_contra, R_co]):
    """Turns a batch of jobs into results, in order. Its weights are loaded by its first batch."""

    def __call__(self, jobs: Sequence[J_contra], /) -> Sequence[R_co]: ...


KeepSteps = Callable[[Mapping[str, PartialTrajectory]], None]
"""Stores the steps that were made so far of trajectories, by the key of their job."""


class WorkerSpec(Protocol):
    """The name and settings of a plugin, from which any process can make the same worker."""

    def worker(self, keep: KeepSteps | None = None) -> Worker[Any, Any]:
        """Make the worker; ``keep`` is called with what it has made of a batch while it works on it."""
        ...

    def check(self) -> None:
        """Check that the model or scorer on this machine is the one of the plan.

        Raises:
            WeightsError: It has other weights or settings.
        """
        ...

    def as_json(self) -> dict[str, Any]:
        """The spec as JSON values, for another process."""
        ...


class WorkQueue(Protocol):
    """Jobs of one kind that come up during a run: drawings by one model, or images for one scorer.

    Attributes:
        stage: What is done with a job; ``check`` is a second score of an image that has one.
        subject: The model's alias, or the benchmark's name.
        worker_spec: What a worker for these jobs is made from.
    """

    stage: Literal["draw", "score", "check"]
    subject: str
    worker_spec: WorkerSpec

    @property
    def name(self) -> str:
        """Stage and subject, unique in a run."""
        ...

    @property
    def waiting(self) -> int:
        """Number of jobs that can be taken now."""
        ...

    @property
    def load(self) -> float:
        """Seconds of work that all known jobs are expected to take that were not taken, also those not waiting yet."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing is waiting or being worked on, and nothing more can come up."""
        ...

    def take(self, workers: int = 1, *, proven: bool = True) -> Sequence[Any]:
        """Take the next batch; empty if no job is waiting.

        Args:
            proven: Whether the worker has had a success. Otherwise jobs that failed or died elsewhere come last, so
                that it does not fail them for a fault of its own.
            workers: Number of workers that share the queue; the more there are, the smaller are the last batches.
        """
        ...

    def put_back(self, jobs: Sequence[Any], *, alone: bool = False) -> None:
        """Return jobs that were taken but not done.

        Args:
            jobs: They become the next to be taken.
            alone: Whether each of them is to be a batch of its own.
        """
        ...

    def note(self, jobs: Sequence[Any], outcomes: Sequence[Any], worker: str = "") -> None:
        """Tell the queue of a batch's results before they are final; a queue whose first samples all fail is stopped.

        Args:
            jobs: The batch.
            outcomes: A result or a :class:`Failure` for each job.
            worker: The process that they come from; empty if there is no other.
        """
        ...

    def keep(self, partial: Mapping[str, PartialTrajectory]) -> None:
        """Store the steps so far of jobs in hand, by key. Called by the thread that runs the queues."""
        ...

    def pace(self, jobs: int, seconds: float) -> None:
        """Correct the expected load by what a batch of so many jobs took."""
        ...

    def wait(self, seconds: float) -> None:
        """Block until jobs may have come up, at most this long."""
        ...


Done = tuple[Any, Sequence[Any], "list[Any] | BudgetError"]
"""A queue, a batch of its jobs, and the outcomes: a result or a :class:`Failure` for each job, or a BudgetError if a
budget is spent."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker is doing, for status displays.

    Attributes:
        queue: Name of its queue.
        place: Process, node or device on which it runs.
        state: Whether it is at work.
        jobs: Number of jobs that it has in hand.
    """

    queue: str
    place: str
    state: Literal["starting", "idle", "busy"]
    jobs: int = 0


class Executor(Plugin, ABC):
    """A plugin that runs the queues of a sweep on the devices of one or more machines."""

    def check(self, sweep: Any) -> None:
        """Check that the executor's settings fit a sweep (``evalharness.config.schema.Sweep``).

        Raises:
            ConfigError: They do not.
        """

    def most_workers(self, model: str) -> int | None:
        """The most workers that draw with a model (its alias) at a time; ``None`` if the settings do not say."""
        return None

    @abstractmethod
    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished; yield each batch with its outcomes as soon as it is done.

        A queue may get jobs at any time until it is finished, also while a later one has some: the first samples of a
        run are drawn and scored before the other drawings come up.

        Args:
            queues: The queues; one that is fed by others comes after them.
        """

    @abstractmethod
    def workers(self) -> list[WorkerState]:
        """The state of each worker; may be called from another thread."""

    def warnings(self) -> list[str]:
        """A line for each thing that the report has to say of the devices."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Release processes and devices."""


def isolate(worker: Worker[J, R], jobs: Sequence[J]) -> list[R | Failure]:
    """Run a batch; if it raises, divide it until the samples at fault are alone, and fail only those.

    The results of the parts that succeed are kept. A batch of n samples, k of them at fault, is divided into parts of
    √n samples: after the batch that was lost, about n + 1.25 k √n samples are worked on, where halving takes n more for
    the first fault alone. A batch that is too large for the memory is halved, so that batches stay large.

    If the process is at fault, and not for lack of memory, smaller batches would fail, too: then all samples fail.

    Args:
        worker: Called with the batch, or with parts of it.
        jobs: The batch.

    Returns:
        A result or a failure for each job, in order.

    Raises:
        EvalHarnessError, ImportError: an error that no smaller batch would avoid (but not :class:`SampleError`).
    """
    try:
        results = list(worker(jobs))
        if len(results) != len(jobs):
            raise RuntimeError(f"{len(results)} results for {len(jobs)} samples")
        return [*results]
    except Exception as error:
        if failure_kind(error) == "configuration":
            raise
        failure = failure_of(error)
    if len(jobs) == 1:
        return [failure]
    if failure.kind == "worker":
        if not failure.out_of_memory:
            return [failure for _ in jobs]
        release_memory()
    size = (len(jobs) + 1) // 2 if failure.out_of_memory else math.isqrt(len(jobs))
    parts = [jobs[start : start + size] for start in range(0, len(jobs), size)]
    return [outcome for part in parts for outcome in isolate(worker, part)]
