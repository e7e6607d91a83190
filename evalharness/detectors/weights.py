"""Where scorers find their weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import evalharness.miniature
from evalharness.errors import WeightsError


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
