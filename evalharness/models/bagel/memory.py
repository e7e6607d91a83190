"""Assigns weights to devices, and checks that memory suffices."""

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
class MemoryNeed:
    """Bytes that a network needs.

    Attributes:
        layers: size of each layer of the language model.
        rest: size of all other weights.
        context: size of a sample's context with one image, in each layer.
    """

    layers: tuple[int, ...]
    rest: int
    context: int

    @property
    def total(self) -> int:
        return sum(self.layers) + self.rest + self.context * len(self.layers)

    def per_device(self, layer_devices: Sequence[int], count: int) -> list[int]:
        """Bytes on each of ``count`` devices; everything but the layers is on the first.

        Args:
            layer_devices: index of each layer's device.
            count: number of devices.
        """
        totals = [self.rest] + [0] * (count - 1)
        for device, layer in zip(layer_devices, self.layers, strict=True):
            totals[device] += layer + self.context
        return totals


def memory_need(
    network: Mapping[str, Sequence[int]],
    autoencoder: Mapping[str, Sequence[int]],
    dtype: torch.dtype,
    sizes: Sizes,
    tokens: int,
) -> MemoryNeed:
    """Compute the memory that a network needs.

    Args:
        network: names and shapes of its weights.
        autoencoder: names and shapes of the autoencoder's weights, which stay in float32.
        dtype: dtype of the network's matrices.
        sizes: sizes of the network.
        tokens: number of tokens of a context with one image.
    """
    layers = [0] * sizes.language.num_hidden_layers
    rest = sum(math.prod(shape) * torch.float32.itemsize for shape in autoencoder.values())
    for name, shape in network.items():
        size = math.prod(shape) * storage_dtype(name, dtype).itemsize
        if (layer := layer_of(name)) is None:
            rest += size
        else:
            layers[layer] += size
    keys_and_values = 2 * sizes.language.num_key_value_heads * sizes.language.head_width * dtype.itemsize
    return MemoryNeed(tuple(layers), rest, tokens * keys_and_values)


def layer_of(name: str) -> int | None:
    """The layer of the language model that a weight belongs to, or ``None``.

    >>> layer_of("language_model.model.layers.27.mlp.up_proj.weight")
    27
    """
    match = _LAYER.match(name)
    return None if match is None else int(match[1])


def storage_dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """The dtype in which a weight is kept: norms and tables of positions stay in float32."""
    return torch.float32 if any(part in name for part in _PRECISE) else dtype


def assign_layers(need: MemoryNeed, capacities: Sequence[int]) -> list[int]:
    """Assign layers to devices in order, so that the fullest device is as empty as possible.

    The first device also holds all other weights, and so gets fewer layers.

    Args:
        need: memory that the network needs.
        capacities: free bytes of each device.

    Returns:
        The index of each layer's device.

    >>> assign_layers(MemoryNeed(layers=(10,) * 6, rest=20, context=0), [100, 100])
    [0, 0, 1, 1, 1, 1]
    """
    devices = range(len(capacities))
    counts = [0 for _ in devices]
    used = [need.rest] + [0] * (len(capacities) - 1)
    largest = max(need.layers, default=0) + need.context
    for _ in need.layers:
        chosen = min(devices, key=lambda device: (used[device] + largest) / max(capacities[device], 1))
        counts[chosen] += 1
        used[chosen] += largest
    return [device for device, count in enumerate(counts) for _ in range(count)]


@dataclass(frozen=True)
class Placement:
    """The devices that the language model's layers are spread over, in order; everything else is on the first."""

    devices: Sequence[torch.device]

    @property
    def first(self) -> torch.device:
        return self.devices[0]

    def plan(self, need: MemoryNeed, dtype: torch.dtype) -> list[torch.device]:
        """The device of each layer, by the devices' free memory.

        Raises:
            WeightsError: memory is too small; the message has the size needed.
        """
        free = [free_bytes(device) for device in self.devices]
        measured = [capacity for capacity in free if capacity is not None]
        distinct = len(set(self.devices)) == len(self.devices)
        # If free memory is not known for all devices, or a device is named twice, the layers are spread evenly.
        capacities = measured if distinct and len(measured) == len(free) else [1] * len(free)
        chosen = assign_layers(need, capacities)
        check_memory(need.per_device(chosen, len(free)), free, self.devices, need, dtype)
        return [self.devices[device] for device in chosen]


def check_memory(
    needed: Sequence[int],
    free: Sequence[int | None],
    devices: Sequence[torch.device],
    need: MemoryNeed,
    dtype: torch.dtype,
) -> None:
    """Check that each device has enough free memory.

    Args:
        needed: bytes on each device.
        free: free bytes of each device, ``None`` if unknown.
        devices: they may repeat.
        need: memory that the network needs, for the message.
        dtype: dtype of the weights, for the message.

    Raises:
        WeightsError: a device is too small; the message has the size needed.
    """
    for device in dict.fromkeys(devices):
        indices = [i for i, candidate in enumerate(devices) if candidate == device]
        available, required = free[indices[0]], sum(needed[i] for i in indices)
        if available is None or required <= available:
            continue
        share = f" there, of {need.total / GIB:.1f} on all {len(devices)} devices" if len(devices) > 1 else ""
        context = need.context * len(need.layers)
        dtype_name = str(dtype).removeprefix("torch.")
        raise WeightsError(
            f"{device} is too small: {required / GIB:.1f} GiB are needed{share} (weights in {dtype_name}, and "
            f"{context / GIB:.2f} GiB for a context with one image) and {available / GIB:.1f} are free; "
            "use dtype bfloat16, a larger device, or spread the layers over several with `devices`"
        )


def free_bytes(device: torch.device) -> int | None:
    """Free memory of a device in bytes, or ``None`` if unknown."""
    if device.type == "cuda":
        # Python or PyTorch may still hold the memory of a model that is no longer used.
        gc.collect()
        torch.cuda.empty_cache()
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    if device.type == "cpu":
        try:
            lines = Path("/proc/meminfo").read_text(encoding="ascii")
        except OSError:
            return None
        match = re.search(r"^MemAvailable:\s+(\d+) kB", lines, re.MULTILINE)
        return int(match[1]) * 1024 if match else None
    return None
