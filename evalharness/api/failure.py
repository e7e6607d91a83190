"""What is recorded in place of a sample's result: a reason, and whose fault it was."""

from __future__ import annotations

import gc
import os
import re
import socket
import sys
import traceback
from dataclasses import dataclass, field, replace

from evalharness._util.text import one_line
from evalharness.errors import MAX_MESSAGE, FailureKind, SampleError, TransientError, WorkerError, failure_kind

MAX_TRACEBACK = 20_000
"""Characters of a traceback that are kept, from its end."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Takes the place of a sample's result.

    Attributes:
        reason: One line.
        kind: Whose fault it is.
        exception: Name of the exception's class; empty if the process died.
        traceback: Its traceback; empty for an error that the plugin raised on purpose, a :class:`SampleError`.
        attempt: How often the sample was tried.
        worker: The process that it failed in last.
        host: That process's machine.
        device: That process's device; empty for processors.
    """

    reason: str
    kind: FailureKind = "sample"
    exception: str = field(default="", compare=False)
    traceback: str = field(default="", compare=False)
    attempt: int = field(default=1, compare=False)
    worker: str = field(default="", compare=False)
    host: str = field(default="", compare=False)
    device: str = field(default="", compare=False)

    @property
    def expected(self) -> bool:
        """Whether the plugin itself blames the sample. Any other failure may be the process's."""
        return self.kind == "sample" and not self.traceback

    @property
    def out_of_memory(self) -> bool:
        """Whether it is a lack of memory, which a smaller batch may not have."""
        return self.exception == "MemoryError" or bool(re.search(r"out of ?memory|allocate memory", self.reason, re.I))

    @property
    def signature(self) -> str:
        """What failures of one cause share: the exception and the line that raised it, or the reason."""
        lines = [line.strip() for line in self.traceback.splitlines() if line.lstrip().startswith('File "')]
        return f"{self.exception} {lines[-1]}" if lines else self.reason

    def at(self, worker: str, device: str = "", host: str = "", attempt: int = 1) -> Failure:
        """A copy that names the process, its device, and how often the sample was tried."""
        host = self.host or host or socket.gethostname()
        return replace(self, worker=worker or self.worker, device=device, host=host, attempt=attempt)


def sample_error(failure: Failure) -> SampleError:
    """The error by which a judge reports a failure of :func:`~evalharness.api.executor.isolate`.

    Raises:
        WorkerError: The process is at fault, not the prompt.
    """
    if failure.kind == "worker":
        raise WorkerError(failure.reason)
    return TransientError(failure.reason) if failure.kind == "transient" else SampleError(failure.reason)


def failure_of(error: Exception) -> Failure:
    """The failure of the sample that was being worked on when ``error`` was raised."""
    name, reason, text = type(error).__name__, str(error)[:MAX_MESSAGE], ""
    if not isinstance(error, SampleError):
        reason, text = f"{name}: {reason}", "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
    worker, host = f"pid {os.getpid()}", socket.gethostname()
    return Failure(one_line(reason), failure_kind(error), name, text, worker=worker, host=host)


def release_memory() -> None:
    """Give back what an exception held, so that a smaller batch may fit."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
