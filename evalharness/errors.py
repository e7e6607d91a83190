"""The tree of errors.

EvalHarnessError            one clear line for the user; the command line prints it and exits with 2
├── ConfigError             a sweep file or an option is wrong
├── PluginError             no such plugin, or its optional packages are missing
├── StoreError              the store is locked, damaged or cannot be written
├── WeightsError            a checkpoint is missing, incomplete or not what its card says
├── NotFiniteError          a network computed NaN or infinite numbers; a model's sample fails, a scorer's run ends
├── EndpointError           a judge or model cannot be reached, or will not work with this key, name or request
│   └── BudgetError         a budget is spent: what is not drawn or judged yet stays so, the run goes on to its report
├── WorkerError             a process or its device is at fault: the batch is worked on again, in another process
└── SampleError             one sample is at fault (a prompt outside the vocabulary, an unreadable image): that sample
    │                       is marked failed with this reason, the run goes on
    └── TransientError      a cause that passes (an endpoint that is busy): the same command tries the sample again
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable
from typing import Literal

FailureKind = Literal["sample", "transient", "worker", "configuration"]
"""Whose fault a failure is: the sample's; nobody's, it passes; a process's or its device's; that of the settings."""
TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
WORKER_ERRNOS = frozenset({errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO})
MAX_MESSAGE = 10_000
"""Characters of an exception's message that are looked at: some hold what a model wrote."""
WORKER_MARKS = re.compile(
    r"out of memory|OutOfMemory|CUDA error|device-side assert|CUDNN_STATUS|cuDNN error|CUBLAS_STATUS|NCCL error"
    r"|HIP error|unspecified launch failure|illegal memory access|can't allocate memory|BrokenProcessPool"
    r"|uncorrectable ECC",
    re.IGNORECASE,
)
"""What the messages of PyTorch and its libraries have when a device or its memory is at fault."""


class EvalHarnessError(Exception):
    """The message is one line: what, where, what to do."""


class ConfigError(EvalHarnessError):
    """A sweep file or an option is wrong."""


class PluginError(EvalHarnessError):
    """A plugin does not exist or cannot be imported."""


class StoreError(EvalHarnessError):
    """The store is locked, damaged or cannot be written."""


class WeightsError(EvalHarnessError):
    """A checkpoint is missing, incomplete or not what its card says."""


class NotFiniteError(EvalHarnessError):
    """A network computed NaN or infinite numbers."""


class EndpointError(EvalHarnessError):
    """A judge, or a model behind an address, cannot be reached, or will not work as it is set up."""


class BudgetError(EndpointError):
    """A budget is spent; no failure of any sample."""


class WorkerError(EvalHarnessError):
    """A process or its device is at fault, no sample."""


class SampleError(EvalHarnessError):
    """One sample cannot be made or scored; the run goes on without it."""


class TransientError(SampleError):
    """One sample cannot be made or scored now, for a cause that passes; the same command tries it again."""


def failure_kind(error: BaseException) -> FailureKind:
    """Decide whose fault an exception is. An exception that nothing is known of is the sample's.

    >>> failure_kind(RuntimeError("CUDA error: an illegal memory access was encountered"))
    'worker'
    """
    if isinstance(error, TransientError):
        return "transient"
    if isinstance(error, SampleError):
        return "sample"
    if _is_workers(error):
        return "worker"
    if isinstance(error, EvalHarnessError | ImportError):
        return "configuration"
    status = getattr(error, "status_code", None)
    busy = isinstance(status, int) and (status in TRANSIENT_STATUSES or status >= 500)
    if busy or isinstance(error, TimeoutError | ConnectionError):
        return "transient"
    return "sample"


def _is_workers(error: BaseException) -> bool:
    if isinstance(error, WorkerError | MemoryError | BrokenPipeError | ChildProcessError):
        return True
    if isinstance(error, EvalHarnessError):
        return False
    if isinstance(error, OSError) and error.errno in WORKER_ERRNOS:
        return True
    return bool(WORKER_MARKS.search(f"{type(error).__name__} {str(error)[:MAX_MESSAGE]}"))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known word, or the list of known words, or nothing.

    >>> did_you_mean("sed", ["seed", "arms"])
    "; did you mean 'seed'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
