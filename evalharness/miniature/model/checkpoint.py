"""The files of a checkpoint of the unified miniature: whole, or a difference from another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.assets.weights_folder import checked_folder, embedded_weights

MODEL = "model.safetensors"
DIFFERENCE = "difference.safetensors"
EMBEDDED = "embedded"
"""The origin of a difference from the weights that come with the package."""


def weights_file(folder: Path) -> Path:
    """The file that says which checkpoint it is.

    Raises:
        WeightsError: there is none.
    """
    difference = (folder / DIFFERENCE).is_file() and not (folder / MODEL).is_file()
    name = DIFFERENCE if difference else MODEL
    return checked_folder(folder, (name, "config.json")) / name


def base_folder(folder: Path, about: Mapping[str, Any]) -> Path:
    """Where the checkpoint lies that a difference is from."""
    origin = about["origin"]
    return checked_folder(
        embedded_weights("unified") if origin == EMBEDDED else folder / origin, (MODEL, "config.json")
    )
