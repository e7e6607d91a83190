"""Whose fault an exception is."""

from __future__ import annotations

import errno

import pytest

from evalharness import errors
from evalharness.errors import failure_kind


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.SampleError("a word"), "sample"),
        (ValueError("anything"), "sample"),
        (FileNotFoundError(errno.ENOENT, "no picture"), "sample"),
        (errors.TransientError("busy"), "transient"),
        (TimeoutError(), "transient"),
        (ConnectionResetError(), "transient"),
        (StatusError(429), "transient"),
        (StatusError(503), "transient"),
        (StatusError(400), "sample"),
        (errors.WorkerError("the device"), "worker"),
        (MemoryError(), "worker"),
        (OutOfMemoryError(), "worker"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "worker"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "worker"),
        (BrokenPipeError(), "worker"),
        (OSError(errno.ENOSPC, "No space left on device"), "worker"),
        (errors.ConfigError("a key"), "configuration"),
        (errors.WeightsError("CUDA error in a file's name"), "configuration"),
        (errors.BudgetError("spent"), "configuration"),
        (ImportError("no package"), "configuration"),
    ],
)
def test_kinds(error: Exception, kind: str) -> None:
    assert failure_kind(error) == kind
