"""Where the weights go, and whether there is room for them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evalharness.errors import WeightsError
from evalharness.models.bagel.config import Sizes

_LAYER = re.compile(r"language_model\.model\.layers\.(\d+)\.")
GIB = 2**30


@dataclass(frozen=True)
class Placement:
    """The layers of the language model spread evenly over devices, in order; all else on the first."""

    devices: Sequence[torch.device]

    @property
    def first(self) -> torch.device:
        return self.devices[0]

    def device(self, name: str, sizes: Sizes) -> torch.device:
        """Where the weight of this name goes."""
        found = _LAYER.match(name)
        if found is None:
            return self.first
        return self.devices[int(found[1]) * len(self.devices) // sizes.language.num_hidden_layers]


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; ``None`` if nobody can tell."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    if device.type == "cpu":
        try:
            lines = Path("/proc/meminfo").read_text(encoding="ascii")
        except OSError:
            return None
        found = re.search(r"^MemAvailable:\s+(\d+) kB", lines, re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None


def check_memory(weights: Iterable[tuple[tuple[int, ...], torch.device, torch.dtype]]) -> None:
    """Raise WeightsError, with the size needed, if the weights (shape, device, dtype) do not fit where they go."""
    needed: Counter[torch.device] = Counter()
    for shape, device, dtype in weights:
        needed[device] += math.prod(shape) * dtype.itemsize
    for device, count in needed.items():
        free = free_bytes(device)
        if free is not None and count > free:
            raise WeightsError(
                f"{device} is too small: the weights need {count / GIB:.1f} GiB there and {free / GIB:.1f} are free; "
                "use dtype bfloat16, a larger device, or spread the layers over several with `devices`"
            )
