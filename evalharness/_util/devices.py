"""Names of torch devices, and the number of processors."""

from __future__ import annotations

import os

from evalharness.errors import ConfigError


def pick_device(name: str) -> str:
    """Return ``name``; for ``auto``, CUDA if it is available, else the CPU.

    Raises:
        ConfigError: torch cannot use this device on this machine.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"device {name!r} cannot be used here: {reason}; use auto, cpu or cuda") from None
    return name


def processor_count() -> int:
    """The processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
