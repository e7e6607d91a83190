"""From a checkpoint folder to a network on its device. Every missing, surplus or misshapen weight is an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from evalharness.assets.weights_folder import checked_folder
from evalharness.errors import WeightsError, did_you_mean
from evalharness.models.bagel.autoencoder import Autoencoder, as_linear
from evalharness.models.bagel.config import LATENT_SIDE, Sizes, read_sizes
from evalharness.models.bagel.embeddings import Places, place_table
from evalharness.models.bagel.files import AUTOENCODER, NETWORK, REQUIRED
from evalharness.models.bagel.memory import Placement, kept_as, layer_of, need
from evalharness.models.bagel.network import Network

Shapes = Mapping[str, tuple[int, ...]]
TABLES = ("latent_pos_embed.pos_embed", "vit_pos_embed.pos_embed")
"""Fixed, so a checkpoint may leave them out."""


def load(
    folder: Path, dtype: torch.dtype, placement: Placement, tokens: Callable[[int], int] = lambda patch: 0
) -> tuple[Network, Autoencoder]:
    """Read a checkpoint; nothing of it is copied on the way to its device. There must be room for it and for a context
    with one image, of so many ``tokens`` by the side of the vision transformer's patches.

    Matrices take ``dtype``, norms and tables of places stay in float32, and so does the autoencoder.

    Raises:
        WeightsError: a file is missing or torn, its weights are not those of its JSON files, or a device is too small.
    """
    checked_folder(folder, REQUIRED)
    shapes, drawn = read_shapes(folder / NETWORK), read_shapes(folder / AUTOENCODER)
    channels, latent_channels = _channels(drawn, folder / AUTOENCODER)
    sizes = read_sizes(folder, latent_side=_latent_side(shapes, folder / NETWORK), latent_channels=latent_channels)
    with torch.device("meta"):  # takes no memory, whatever the files say
        network, autoencoder = Network(sizes), Autoencoder(channels, latent_channels)
    names = autoencoder.published_names()
    own = {name: _shape(tensor) for name, tensor in autoencoder.state_dict().items()}
    compare(folder / NETWORK, shapes, {name: _shape(x) for name, x in network.state_dict().items()}, TABLES)
    compare(folder / AUTOENCODER, drawn, {name: own[mine] for name, mine in names.items()}, ())

    wanted = need(shapes, drawn, dtype, sizes, tokens(sizes.vision.patch_size))
    layers = placement.plan(wanted, dtype)
    plan = {
        name: (placement.first if (layer := layer_of(name)) is None else layers[layer], kept_as(name, dtype))
        for name in network.state_dict()
    }
    plan_drawn = dict.fromkeys(names, (placement.first, torch.float32))
    _fill(network, _tensors(folder / NETWORK, plan), sizes, placement.first)
    read = _tensors(folder / AUTOENCODER, plan_drawn)
    autoencoder.load_state_dict({names[n]: as_linear(x, own[names[n]]) for n, x in read.items()}, assign=True)
    return network.eval().requires_grad_(False), autoencoder.eval().requires_grad_(False)


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes in a safetensors file; only its header is read.

    Raises:
        WeightsError: it is not one, or not whole.
    """
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a mapping


def compare(path: Path, found: Shapes, expected: Shapes, optional: Iterable[str]) -> None:
    """Raise WeightsError, naming them, if names or shapes are not the expected ones."""
    surplus = sorted(found.keys() - expected.keys())
    missing = sorted(expected.keys() - found.keys() - set(optional))
    for names, what in ((missing, "lacks"), (surplus, "has unknown weights")):
        if names:
            hint = did_you_mean(names[0], missing) if names is surplus and missing else ""
            raise WeightsError(f"{path} {what} {', '.join(names[:3])}{_more(names)}{hint}")
    for name in sorted(found):
        if found[name] != _as_stored(expected[name], found[name]):
            raise WeightsError(f"{path}: {name} has shape {list(found[name])}, not {list(expected[name])}")


def _as_stored(expected: tuple[int, ...], found: tuple[int, ...]) -> tuple[int, ...]:
    """Linear layers of the autoencoder's attention are stored as 1 × 1 convolutions."""
    return (*expected, 1, 1) if len(expected) == 2 and len(found) == 4 else expected


def _more(names: list[str]) -> str:
    return f" and {len(names) - 3} more" if len(names) > 3 else ""


def _latent_side(shapes: Shapes, path: Path) -> int:
    """Rows of the table of latents' places, which no JSON file tells."""
    if TABLES[0] not in shapes:
        return LATENT_SIDE
    entries = shapes[TABLES[0]][0] if shapes[TABLES[0]] else 0
    side = math.isqrt(entries)
    if side < 1 or side**2 != entries:
        raise WeightsError(f"{path}: {TABLES[0]} has {entries} entries, which is no square")
    return side


def _channels(shapes: Shapes, path: Path) -> tuple[int, int]:
    """Channels of the autoencoder's first convolution, and of a latent; no JSON file tells them either."""
    first, last = shapes.get("encoder.conv_in.weight", ()), shapes.get("decoder.conv_in.weight", ())
    if len(first) != 4 or len(last) != 4 or first[0] % 32 or not first[0] or not last[1]:
        raise WeightsError(f"{path} holds no FLUX autoencoder: its conv_in weights are missing or of another shape")
    return first[0], last[1]


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _fill(network: Network, tensors: dict[str, Tensor], sizes: Sizes, device: torch.device) -> None:
    for name in TABLES:
        if name not in tensors:
            table = network.get_submodule(name.partition(".")[0])
            assert isinstance(table, Places)
            tensors[name] = place_table(table.side, sizes.language.hidden_size).to(device)
    network.load_state_dict(tensors, assign=True)


def _tensors(path: Path, plan: Mapping[str, tuple[torch.device, torch.dtype]]) -> dict[str, Tensor]:
    """The weights of a file, each on its device."""
    tensors: dict[str, Tensor] = {}
    for device in sorted({device for device, _ in plan.values()}, key=str):
        with _opened(path, str(device)) as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                if plan[name][0] == device:
                    tensors[name] = file.get_tensor(name).to(plan[name][1])
    return tensors


@contextmanager
def _opened(path: Path, device: str = "cpu") -> Iterator[Any]:
    """A safetensors file; that it is none, or not whole, is a WeightsError."""
    try:
        with safe_open(path, framework="pt", device=device) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
