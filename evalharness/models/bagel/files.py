"""The files of a checkpoint, in the layouts that are published and that trainers write, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalharness._util.file_digests import file_digest
from evalharness.errors import WeightsError

NETWORK, AUTOENCODER = "ema.safetensors", "ae.safetensors"
REQUIRED = (NETWORK, AUTOENCODER, "llm_config.json", "vit_config.json", "tokenizer_config.json")
"""The files of a published folder."""
VOCABULARY = (("tokenizer.json",), ("vocab.json", "merges.txt"))
"""Alternative sets of files of the tokenizer."""
EMA, PLAIN = "ema", "model"
"""How the names of files begin that hold averaged weights, and weights as trained."""


@dataclass(frozen=True)
class CheckpointFiles:
    """The files that a model is loaded from.

    Attributes:
        network: The file of the network's weights, or its parts.
        autoencoder: The file of the autoencoder's weights.
        language, vision: The JSON files of sizes.
        tokenizer: The tokenizer's files, all in one folder.
    """

    network: tuple[Path, ...]
    autoencoder: Path
    language: Path
    vision: Path
    tokenizer: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        return (*self.network, self.autoencoder, self.language, self.vision, *self.tokenizer)

    def digest(self) -> str:
        """One SHA-256 over the names and digests of all files.

        Raises:
            WeightsError: a file cannot be read.
        """
        lines = sorted((path.name, file_digest(path)) for path in self.all)
        return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()


def find_files(folder: Path, base: Path | None = None, *, averaged: bool | None = None) -> CheckpointFiles:
    """Find the files of a checkpoint.

    Args:
        folder: Where the network's weights are: ``ema.safetensors`` or ``model.safetensors``, the parts that an index
            names, or files whose names begin so. All other files may be there or in ``base``.
        base: The checkpoint that it was trained from.
        averaged: Whether to take the averaged weights (EMA) or those as trained; ``None`` for averaged ones if there
            are any.

    Raises:
        WeightsError: A folder or a file is missing.
    """
    network = network_files(folder, averaged=averaged)
    if base is not None and not base.is_dir():
        raise WeightsError(f"no weights folder {base}")
    places = [place for place in (folder, base) if place is not None]
    autoencoder, language, vision = (_find(name, places) for name in REQUIRED[1:-1])
    return CheckpointFiles(network, autoencoder, language, vision, _tokenizer_files(places))


def network_files(folder: Path, *, averaged: bool | None) -> tuple[Path, ...]:
    """The files of the network's weights in a folder, see :func:`find_files`.

    Raises:
        WeightsError: There is no such folder, or it has none.
    """
    if not folder.is_dir():
        raise WeightsError(f"no weights folder {folder}")
    prefixes = {None: (EMA, PLAIN), True: (EMA,), False: (PLAIN,)}[averaged]
    network = next((found for prefix in prefixes if (found := _network_files(folder, prefix))), ())
    if not network:
        names = " or ".join(f"{prefix}*.safetensors" for prefix in prefixes)
        raise WeightsError(f"the weights folder {folder} lacks {NETWORK if averaged is None else names}")
    return network


def _network_files(folder: Path, prefix: str) -> tuple[Path, ...]:
    """The files of the network's weights whose names begin with a prefix; none if there are none."""
    whole, index = folder / f"{prefix}.safetensors", folder / f"{prefix}.safetensors.index.json"
    if whole.is_file():
        return (whole,)
    if index.is_file():
        return tuple(_parts(index))
    return tuple(sorted(path for path in folder.glob(f"{prefix}[-_.]*.safetensors") if path.is_file()))


def _parts(index: Path) -> Iterator[Path]:
    """The files that an index names; raises WeightsError if it is damaged or one is missing."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        paths = [index.parent / Path(name).name for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise WeightsError(f"{index} is no index of safetensors files; it needs a `weight_map`") from None
    for path in paths:
        if not path.is_file():
            raise WeightsError(f"the weights folder {index.parent} lacks {path.name}, which {index.name} names")
        yield path


def _find(name: str, places: list[Path]) -> Path:
    for place in places:
        if (place / name).is_file():
            return place / name
    if len(places) == 1:
        advice = "; for what a trainer wrote, set `base:` to the checkpoint that it was trained from"
        raise WeightsError(f"the weights folder {places[0]} lacks {name}{advice}")
    raise WeightsError(f"the weights folder {places[0]} lacks {name}, and so does its base {places[1]}")


def _tokenizer_files(places: list[Path]) -> tuple[Path, ...]:
    config = _find(REQUIRED[-1], places)
    if not any(all((config.parent / name).is_file() for name in names) for names in VOCABULARY):
        raise WeightsError(f"the weights folder {config.parent} lacks tokenizer.json, or vocab.json and merges.txt")
    names = (name for alternative in VOCABULARY for name in alternative if (config.parent / name).is_file())
    return (config, *(config.parent / name for name in names))
