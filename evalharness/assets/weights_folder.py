"""Finds the folders of weights that come with a package, and checks that a folder is complete."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalharness._util.installed import entry_points
from evalharness.errors import WeightsError

GROUP = "evalharness.weights"
"""Entry-point group of :class:`~pathlib.Path` objects; each is a folder with one subfolder per network."""


def embedded_weights(name: str) -> Path:
    """Folder of a network whose weights come with an installed package.

    Args:
        name: the network, such as ``detector``, ``clip``, ``unified`` or ``judge``.

    Returns:
        The first registered folder that exists, else the place where it should be.

    Raises:
        WeightsError: no installed package registers weights.
    """
    folders: list[Path] = [entry.load() / name for entry in entry_points(group=GROUP)]
    if not folders:
        raise WeightsError(f"no embedded weights: no package registers {GROUP}; install evalharness again")
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def checked_folder(folder: Path, files: Iterable[str]) -> Path:
    """``folder``, after checking that it holds all ``files``.

    Raises:
        WeightsError: the folder or a file is missing.
    """
    if not folder.is_dir():
        raise WeightsError(f"no weights folder {folder}")
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise WeightsError(f"the weights folder {folder} lacks {', '.join(missing)}")
    return folder
