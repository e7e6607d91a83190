"""Where the weights go, and whether there is room for them: plain functions of sizes, dtype and settings."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evalharness.errors import WeightsError
from evalharness.models.bagel.config import Sizes

_LAYER = re.compile(r"language_model\.model\.layers\.(\d+)\.")
_PRECISE = ("norm", "pos_embed", "position_embedding")
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a network takes: ``layers``, those of the language model; ``rest``, all else; ``context``, what one
    sample's context with one image takes in each layer.
    """

    layers: tuple[int, ...]
    rest: int
    context: int

    @property
    def total(self) -> int:
        return sum(self.layers) + self.rest + self.context * len(self.layers)

    def on(self, spread: Sequence[int], count: int) -> list[int]:
        """Bytes on each of ``count`` devices, if layer i goes to device ``spread[i]`` and all else to the first."""
        found = [self.rest] + [0] * (count - 1)
        for device, layer in zip(spread, self.layers, strict=True):
            found[device] += layer + self.context
        return found


def need(
    network: Mapping[str, Sequence[int]],
    drawn: Mapping[str, Sequence[int]],
    dtype: torch.dtype,
    sizes: Sizes,
    tokens: int,
) -> Need:
    """``network`` and ``drawn``: names and shapes of the weights, those of the autoencoder last, which are float32;
    ``tokens``: of a context with one image."""
    layers = [0] * sizes.language.num_hidden_layers
    rest = sum(math.prod(shape) * torch.float32.itemsize for shape in drawn.values())
    for name, shape in network.items():
        size = math.prod(shape) * kept_as(name, dtype).itemsize
        if (layer := layer_of(name)) is None:
            rest += size
        else:
            layers[layer] += size
    keys_and_values = 2 * sizes.language.num_key_value_heads * sizes.language.head_width * dtype.itemsize
    return Need(tuple(layers), rest, tokens * keys_and_values)


def layer_of(name: str) -> int | None:
    """The layer of the language model that a weight belongs to, or ``None``.

    >>> layer_of("language_model.model.layers.27.mlp.up_proj.weight")
    27
    """
    found = _LAYER.match(name)
    return None if found is None else int(found[1])


def kept_as(name: str, dtype: torch.dtype) -> torch.dtype:
    """Norms and tables of places stay in float32."""
    return torch.float32 if any(part in name for part in _PRECISE) else dtype


def spread(wanted: Need, rooms: Sequence[int]) -> list[int]:
    """Which device each layer goes to, in order, so that the fullest device is as little full as can be.

    ``rooms`` are free bytes. All but the layers goes to the first, which so gets fewer of them.

    >>> spread(Need(layers=(10,) * 6, rest=20, context=0), [100, 100])
    [0, 0, 1, 1, 1, 1]
    """
    counts = [0] * len(rooms)
    used = [wanted.rest] + [0] * (len(rooms) - 1)
    largest = max(wanted.layers, default=0) + wanted.context
    for _ in wanted.layers:
        chosen = min(range(len(rooms)), key=lambda device: (used[device] + largest) / max(rooms[device], 1))
        counts[chosen] += 1
        used[chosen] += largest
    return [device for device, count in enumerate(counts) for _ in range(count)]


@dataclass(frozen=True)
class Placement:
    """The layers of the language model spread over devices, in order; all else on the first."""

    devices: Sequence[torch.device]

    @property
    def first(self) -> torch.device:
        return self.devices[0]

    def plan(self, wanted: Need, dtype: torch.dtype) -> list[torch.device]:
        """The device of each layer, by the room that there is.

        Raises:
            WeightsError: there is too little, with the size needed.
        """
        free = [free_bytes(device) for device in self.devices]
        known = [room for room in free if room is not None]
        rooms = [*known] if len(known) == len(free) and len(set(self.devices)) == len(free) else [1] * len(free)
        chosen = spread(wanted, rooms)
        check(wanted.on(chosen, len(free)), free, self.devices, wanted, dtype)
        return [self.devices[device] for device in chosen]


def check(
    needed: Sequence[int],
    free: Sequence[int | None],
    devices: Sequence[torch.device],
    wanted: Need,
    dtype: torch.dtype,
) -> None:
    """Raise WeightsError, with the size needed, where more is needed than there is."""
    for device in dict.fromkeys(devices):
        own = [i for i, other in enumerate(devices) if other == device]
        room, count = free[own[0]], sum(needed[i] for i in own)
        if room is None or count <= room:
            continue
        where = f" there, of {wanted.total / GIB:.1f} on all {len(devices)} devices" if len(devices) > 1 else ""
        context = wanted.context * len(wanted.layers)
        kept = str(dtype).removeprefix("torch.")
        raise WeightsError(
            f"{device} is too small: {count / GIB:.1f} GiB are needed{where} (weights in {kept}, and "
            f"{context / GIB:.2f} GiB for a context with one image) and {room / GIB:.1f} are free; "
            "use dtype bfloat16, a larger device, or spread the layers over several with `devices`"
        )


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; ``None`` if nobody can tell."""
    if device.type == "cuda":
        # Another model's, which was let go of, may still be Python's or PyTorch's.
        gc.collect()
        torch.cuda.empty_cache()
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
