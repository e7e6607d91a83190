"""Loads a checkpoint. Every missing or misshapen weight is an error; those that nothing needs are left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from evalharness._util.text import one_line, some_of
from evalharness.errors import WeightsError
from evalharness.models.bagel.autoencoder import Autoencoder, as_linear
from evalharness.models.bagel.config import LATENT_SIDE, Sizes, read_sizes
from evalharness.models.bagel.embeddings import PositionTable, position_table
from evalharness.models.bagel.files import CheckpointFiles
from evalharness.models.bagel.memory import Placement, layer_of, memory_need, storage_dtype
from evalharness.models.bagel.network import Network

Shapes = Mapping[str, tuple[int, ...]]
TABLES = ("latent_pos_embed.pos_embed", "vit_pos_embed.pos_embed")
"""Fixed tables of positions, which a checkpoint may leave out."""


def load(
    files: CheckpointFiles, dtype: torch.dtype, placement: Placement, tokens: Callable[[int], int] = lambda patch: 0
) -> tuple[Network, Autoencoder]:
    """Load a checkpoint onto its devices, without a copy in the host's memory.

    Args:
        files: the checkpoint.
        dtype: dtype of the network's matrices. Norms, tables of positions and the autoencoder stay in float32.
        placement: the devices. They must have room for the weights and a context with one image.
        tokens: returns the number of tokens of an image, given the side of the vision transformer's patches.

    Raises:
        WeightsError: a file is truncated, its weights do not match the JSON files, or a device is too small.
    """
    network, autoencoder, sizes = _empty(files)
    shapes = _needed(read_all_shapes(files.network), _shapes(network))
    names = autoencoder.published_names()
    module_shapes = _shapes(autoencoder)
    expected = {published: module_shapes[name] for published, name in names.items()}
    autoencoder_shapes = _needed(read_shapes(files.autoencoder), expected)
    compare(files.network[0], shapes, _shapes(network), TABLES)
    compare(files.autoencoder, autoencoder_shapes, expected, ())

    need = memory_need(shapes, autoencoder_shapes, dtype, sizes, tokens(sizes.vision.patch_size))
    layer_devices = placement.plan(need, dtype)
    plan = {}
    for name in network.state_dict():
        layer = layer_of(name)
        device = placement.first if layer is None else layer_devices[layer]
        plan[name] = device, storage_dtype(name, dtype)
    read = {name: tensor for path in files.network for name, tensor in _read_tensors(path, plan).items()}
    _fill(network, read, sizes, placement.first)
    tensors = _read_tensors(files.autoencoder, dict.fromkeys(names, (placement.first, torch.float32)))
    state = {names[published]: as_linear(tensor, expected[published]) for published, tensor in tensors.items()}
    autoencoder.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False), autoencoder.eval().requires_grad_(False)


def surplus(files: CheckpointFiles) -> list[str]:
    """Names of the weights in a checkpoint that nothing needs.

    Raises:
        WeightsError: a file is truncated, or is of another model.
    """
    network, autoencoder, _ = _empty(files)
    needed = {*_shapes(network), *autoencoder.published_names()}
    return sorted({*read_all_shapes(files.network), *read_shapes(files.autoencoder)} - needed)


def _empty(files: CheckpointFiles) -> tuple[Network, Autoencoder, Sizes]:
    """The modules of a checkpoint without weights, and its sizes."""
    shapes = read_all_shapes(files.network)
    channels, latent_channels = _channels(read_shapes(files.autoencoder), files.autoencoder)
    latent_side = _latent_side(shapes, files.network[0])
    sizes = read_sizes(files.language, files.vision, latent_side=latent_side, latent_channels=latent_channels)
    depth = sizes.language.num_hidden_layers
    deeper = sorted(name for name in shapes if (layer := layer_of(name)) is not None and layer >= depth)
    if deeper:
        raise WeightsError(f"{files.network[0]} has {some_of(deeper, 3)}, but {files.language} says {depth} layers")
    with torch.device("meta"):  # takes no memory, whatever the files say
        return Network(sizes), Autoencoder(channels, latent_channels), sizes


def _needed(shapes: Shapes, expected: Shapes) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in shapes.items() if name in expected}


def read_all_shapes(paths: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the parts of a checkpoint.

    Raises:
        WeightsError: a part is truncated, or two parts have the same tensor.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in paths:
        part = read_shapes(path)
        if twice := sorted(shapes.keys() & part.keys()):
            raise WeightsError(f"{path} has {some_of(twice, 3)}, which another file of {path.parent} has, too")
        shapes |= part
    return shapes


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a safetensors file; only its header is read.

    Raises:
        WeightsError: it is not a safetensors file, or is truncated.
    """
    with _open(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a mapping


def compare(path: Path, actual: Shapes, expected: Shapes, optional: Iterable[str]) -> None:
    """Check that a file has all weights of a module, in their shapes.

    Args:
        path: the file.
        actual: the shapes in it, of weights that the module has.
        expected: the shapes that the module needs.
        optional: names that may be missing.

    Raises:
        WeightsError: with the first names that differ.
    """
    missing = sorted(expected.keys() - actual.keys() - set(optional))
    if missing:
        raise WeightsError(f"{path} lacks {some_of(missing, 3)}")
    for name in sorted(actual):
        if actual[name] != _stored_shape(expected[name], actual[name]):
            raise WeightsError(f"{path}: {name} has shape {list(actual[name])}, not {list(expected[name])}")


def _stored_shape(expected: tuple[int, ...], actual: tuple[int, ...]) -> tuple[int, ...]:
    """Linear layers of the autoencoder's attention may be stored as 1 × 1 convolutions."""
    return (*expected, 1, 1) if len(expected) == 2 and len(actual) == 4 else expected


def _latent_side(shapes: Shapes, path: Path) -> int:
    """Rows of the table of latent positions, which no JSON file states."""
    if TABLES[0] not in shapes:
        return LATENT_SIDE
    entries = shapes[TABLES[0]][0] if shapes[TABLES[0]] else 0
    side = math.isqrt(entries)
    if side < 1 or side**2 != entries:
        raise WeightsError(f"{path}: {TABLES[0]} has {entries} entries, which is no square")
    return side


def _channels(shapes: Shapes, path: Path) -> tuple[int, int]:
    """Channels of the autoencoder's first convolution, and of a latent, which no JSON file states."""
    first, last = shapes.get("encoder.conv_in.weight", ()), shapes.get("decoder.conv_in.weight", ())
    if len(first) != 4 or len(last) != 4 or first[0] % 32 or not first[0] or not last[1]:
        raise WeightsError(f"{path} holds no FLUX autoencoder: its conv_in weights are missing or of another shape")
    return first[0], last[1]


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _fill(network: Network, tensors: dict[str, Tensor], sizes: Sizes, device: torch.device) -> None:
    """Load tensors into a network; tables of positions that are missing are computed."""
    for name in TABLES:
        if name not in tensors:
            table = network.get_submodule(name.partition(".")[0])
            assert isinstance(table, PositionTable)
            tensors[name] = position_table(table.side, sizes.language.hidden_size).to(device)
    network.load_state_dict(tensors, assign=True)


def _read_tensors(path: Path, plan: Mapping[str, tuple[torch.device, torch.dtype]]) -> dict[str, Tensor]:
    """The tensors of a file, each on its device and in its dtype."""
    tensors: dict[str, Tensor] = {}
    for device in sorted({device for device, _ in plan.values()}, key=str):
        with _open(path, str(device)) as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                if name in plan and plan[name][0] == device:
                    tensors[name] = file.get_tensor(name).to(plan[name][1])
    return tensors


@contextmanager
def _open(path: Path, device: str = "cpu") -> Iterator[Any]:
    """Open a safetensors file; raises WeightsError if it is no such file, or is truncated."""
    try:
        with safe_open(path, framework="pt", device=device) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {one_line(str(error), 200)}") from None
