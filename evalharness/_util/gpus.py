"""The GPUs that this process may use, found without loading torch or initialising CUDA."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache

LINE = re.compile(r"^(?P<indent> *)(?P<name>\S.*?) *\(UUID: (?P<uuid>[^)]+)\)")
TIMEOUT = 30.0
"""Seconds that ``nvidia-smi`` may take; the first call after a boot loads the driver."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """``id`` is a value of ``CUDA_VISIBLE_DEVICES``: an index or a UUID."""

    id: str
    name: str = ""


def visible() -> list[Gpu]:
    """The GPUs, or their MIG slices if they are divided; only those in ``CUDA_VISIBLE_DEVICES`` if that is set."""
    machine = installed()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return list(machine)
    names = {gpu.id: gpu.name for gpu in machine} | {str(index): gpu.name for index, gpu in enumerate(machine)}
    gpus = []
    for entry in filter(None, (part.strip() for part in chosen.split(","))):
        if entry.startswith("-"):  # CUDA ignores what follows an invalid index
            break
        gpus.append(Gpu(entry, names.get(entry, "")))
    return gpus


@cache
def installed() -> tuple[Gpu, ...]:
    """All GPUs of this machine, as ``nvidia-smi`` lists them; it runs only once."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(parse(done.stdout)) if done.returncode == 0 else ()


def parse(listing: str) -> list[Gpu]:
    """Parse the output of ``nvidia-smi -L``.

    >>> parse("GPU 0: H100 (UUID: GPU-1)\\nGPU 1: H100 (UUID: GPU-2)\\n  MIG 1g.10gb Device 0: (UUID: MIG-3)")
    [Gpu(id='GPU-1', name='H100'), Gpu(id='MIG-3', name='H100 MIG 1g.10gb')]
    """
    gpus: list[Gpu] = []
    gpu: Gpu | None = None
    for line in listing.splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        if not match["indent"]:
            gpu = Gpu(match["uuid"], match["name"].partition(": ")[2])
            gpus.append(gpu)
        elif gpu is not None:
            if gpus[-1] is gpu:
                gpus.pop()
            gpus.append(Gpu(match["uuid"], f"{gpu.name} {match['name'].partition(' Device')[0]}"))
    return gpus
