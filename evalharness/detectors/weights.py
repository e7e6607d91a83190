"""Where scorers find their weights, and on which device they put them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import evalharness.miniature
from evalharness.errors import ConfigError, WeightsError


def embedded_weights(name: str) -> Path:
    """The folder of one of the networks that come with the package: ``detector`` or ``clip``."""
    return Path(evalharness.miniature.__path__[0]) / "weights" / name


def checked_folder(folder: Path, files: Iterable[str]) -> Path:
    """``folder``, if all these files are in it.

    Raises:
        WeightsError: the folder or a file is missing.
    """
    if not folder.is_dir():
        raise WeightsError(f"no weights folder {folder}")
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise WeightsError(f"the weights folder {folder} lacks {', '.join(missing)}")
    return folder


def pick_device(name: str) -> str:
    """``name``, or for ``auto`` CUDA where there is one and the CPU elsewhere.

    Raises:
        ConfigError: torch cannot use this device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"device {name!r} cannot be used here: {first}; use auto, cpu or cuda") from None
    return name
