"""What an executor must offer, and what its workers do with a batch in which one sample is at fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from evalharness.errors import EvalHarnessError, SampleError

J = TypeVar("J")
R = TypeVar("R")
J_contra = TypeVar("J_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands where a result would stand; ``reason`` is one line."""

    reason: str


class Worker(Protocol[J_contra, R_co]):
    """Turns a batch of jobs into results, in order. It can be pickled; its weights are loaded by its first batch."""

    def __call__(self, jobs: Sequence[J_contra], /) -> Sequence[R_co]: ...


class Executor(Protocol):
    """A plugin: a class with a nested pydantic ``Settings`` and an ``__init__(self, settings)``."""

    def run(
        self, worker: Worker[J, R], batches: Iterable[Sequence[J]]
    ) -> Iterator[tuple[Sequence[J], list[R | Failure]]]:
        """Each batch with its outcomes, as they come. Where the work is done, :func:`isolate` runs it."""
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


def one_line(text: str, limit: int = 500) -> str:
    """A message without line breaks, cut at ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
