"""Files that others publish and that this package does not carry: which ones, and where they lie once fetched.

A plugin whose class has ``assets`` (a tuple of :class:`Asset`) is known to ``evalharness fetch NAME``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from evalharness._util.file_digests import blob_digest, file_digest
from evalharness.errors import WeightsError

SUMS = "SHA256SUMS"
"""In a converted folder: the digests of its files, as ``sha256sum`` writes them."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. ``folder`` and ``name`` say where it lies in the cache, and in a mirror.

    ``sha256`` is the whole digest in hex, or its first digits where no more is published; ``size`` is in bytes. ``git``
    is what git calls the file (SHA-1), where its publisher says only that.
    ``convert`` is for a file that is not read as it is: given the file and the path of a folder, it makes that folder.
    """

    folder: str
    name: str
    url: str
    sha256: str
    size: int | None = None
    convert: Callable[[Path, Path], None] | None = None
    git: str = ""

    @property
    def path(self) -> Path:
        """Its place in the cache, whether it is there or not."""
        return cache() / self.folder / self.name

    @property
    def converted_path(self) -> Path:
        """The place in the cache of the folder that ``convert`` makes, whether it is there or not."""
        return self.path.with_suffix("")


def cache() -> Path:
    """``EVALHARNESS_CACHE``, or the user's cache folder."""
    own = os.environ.get("EVALHARNESS_CACHE")
    return Path(own) if own else platformdirs.user_cache_path("evalharness")


def cached(asset: Asset) -> Path | None:
    """The file in the cache, or ``None`` if it has not been fetched.

    Raises:
        WeightsError: what lies there has another digest.
    """
    path = asset.path
    if not path.is_file():
        return None
    if not is_published(path, asset):
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 does not begin with {asset.sha256[:12]}; delete it"
        )
    return path


def fetched(asset: Asset, command: str) -> Path:
    """The file in the cache.

    Raises:
        WeightsError: it is not there, or it is another one; the message says that ``command`` fetches it.
    """
    path = cached(asset)
    if path is None:
        raise WeightsError(f"{asset.name} has not been fetched; do so with: {command}")
    return path


def converted(asset: Asset, command: str) -> Path:
    """The folder that was made of the file, as :func:`fetched`; the file itself may have been deleted since."""
    folder = asset.converted_path
    if not folder.is_dir():
        raise WeightsError(f"{asset.name} has not been fetched and converted; do so with: {command}")
    return folder


def is_published(path: Path, asset: Asset) -> bool:
    """Whether a file has an asset's digest; true of any file where none is known."""
    if asset.git and not asset.sha256:
        return blob_digest(path) == asset.git
    return file_digest(path).startswith(asset.sha256)


def damaged(folder: Path) -> str | None:
    """The first file of a converted folder that is not as it was written, or ``None`` if all are."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return SUMS
    for line in lines:
        digest, _, name = line.partition("  ")
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            return name
    return None
