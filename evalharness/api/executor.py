"""What an executor must offer, and what its workers do with a batch in which one sample is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from evalharness._util.text import one_line
from evalharness.errors import BudgetError, EvalHarnessError, SampleError

J = TypeVar("J")
R = TypeVar("R")
J_contra = TypeVar("J_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands where a result would stand; ``reason`` is one line."""

    reason: str


class Worker(Protocol[J_contra, R_co]):
    """Turns a batch of jobs into results, in order. Its weights are loaded by its first batch."""

    def __call__(self, jobs: Sequence[J_contra], /) -> Sequence[R_co]: ...


class WorkerSpec(Protocol):
    """What a worker is made from: a plugin's name and its settings, so that another process can make the same one."""

    def worker(self) -> Worker[Any, Any]: ...

    def identity(self) -> Mapping[str, Any]:
        """Of the model or scorer in it; a worker elsewhere must have the same."""
        ...

    def as_json(self) -> dict[str, Any]: ...


class WorkQueue(Protocol):
    """Equal work that comes up while a run goes on: drawings by one model, or images for one scorer to look at."""

    stage: Literal["draw", "score", "check"]
    subject: str
    """The model's alias, or the benchmark's name."""
    worker_spec: WorkerSpec

    @property
    def name(self) -> str: ...

    @property
    def waiting(self) -> int:
        """How many jobs could be taken now."""
        ...

    @property
    def load(self) -> float:
        """The seconds that these are expected to take."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing is waiting or being worked on, and nothing can come up any more."""
        ...

    def take(self, workers: int = 1) -> Sequence[Any]:
        """The next batch, to be worked on; empty if there is none at present. ``workers``: so many share the queue."""
        ...

    def put_back(self, jobs: Sequence[Any], *, alone: bool = False) -> None:
        """What was taken and not done after all. ``alone``: each is to be a batch of its own from now on."""
        ...

    def wait(self, seconds: float) -> None:
        """Until something may have come up, or so long."""
        ...


Done = tuple[Any, Sequence[Any], "list[Any] | BudgetError"]
"""A queue, a batch of it, and the outcomes: a result or a :class:`Failure` for each job, or that a budget is spent."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker is at, for those who watch."""

    queue: str
    place: str
    state: Literal["starting", "idle", "busy"]
    jobs: int = 0


class Executor(Protocol):
    """A plugin: a class with a nested pydantic ``Settings`` and an ``__init__(self, settings)``.

    It may have ``check(sweep) -> None``, which raises a ConfigError if its settings do not go with a sweep.
    """

    def run(self, queues: Sequence[WorkQueue]) -> Iterator[Done]:
        """Work until all queues are finished; each batch comes with its outcomes as soon as it has them.

        A queue that others feed stands after them. Where the work is done, :func:`isolate` runs it.
        """
        ...

    def workers(self) -> list[WorkerState]:
        """At this moment; may be called from another thread."""
        ...

    def close(self) -> None:
        """Let go of processes and devices."""
        ...


def isolate(worker: Worker[J, R], jobs: Sequence[J]) -> list[R | Failure]:
    """Run a batch; if it raises, halve it until the samples at fault stand alone, and fail only those.

    Raises:
        EvalHarnessError, ImportError: what no other half would do better (but for :class:`SampleError`).
    """
    try:
        results = list(worker(jobs))
        if len(results) != len(jobs):
            raise RuntimeError(f"{len(results)} results for {len(jobs)} samples")
        return [*results]
    except SampleError as error:
        reason = str(error)
    except (EvalHarnessError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises, it costs one sample, not the run
        reason = f"{type(error).__name__}: {error}"
    if len(jobs) == 1:
        return [Failure(one_line(reason))]
    half = len(jobs) // 2
    return isolate(worker, jobs[:half]) + isolate(worker, jobs[half:])
