"""Published files that do not come with the package, and their places in the cache.

``evalharness fetch NAME`` fetches the ``assets`` (a tuple of :class:`Asset`) of a plugin class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalharness._util.cache_folder import cache_folder
from evalharness._util.file_digests import blob_digest, file_digest
from evalharness.errors import WeightsError

SUMS = "SHA256SUMS"
"""File in a converted folder with the digests of the others, in the format of ``sha256sum``."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A published file.

    Attributes:
        folder: its folder in the cache, and in a mirror.
        name: its file name there.
        url: the address at which it is published.
        sha256: its digest in hex, or the first digits of it if no more is published.
        size: its size in bytes.
        convert: makes the folder of the second path from the file of the first, for a file that is not read directly.
        git_sha1: its SHA-1 as a git blob, for files with no other published digest.
    """

    folder: str
    name: str
    url: str
    sha256: str
    size: int | None = None
    convert: Callable[[Path, Path], None] | None = None
    git_sha1: str = ""

    @property
    def path(self) -> Path:
        """The file's place in the cache, whether it exists or not."""
        return cache_folder() / self.folder / self.name

    @property
    def converted_path(self) -> Path:
        """The place in the cache of the folder that ``convert`` makes, whether it exists or not."""
        return self.path.with_suffix("")


def find_cached(asset: Asset) -> Path | None:
    """The file in the cache, or ``None`` if it has not been fetched.

    Raises:
        WeightsError: the cached file has another digest.
    """
    path = asset.path
    if not path.is_file():
        return None
    if not has_published_digest(path, asset):
        digest = f"SHA-256 does not begin with {asset.sha256[:12]}" if asset.sha256 else "git blob has another digest"
        raise WeightsError(f"{path} is not the published file: its {digest}; delete it")
    return path


def require_file(asset: Asset, command: str) -> Path:
    """The file in the cache.

    Args:
        asset: the file.
        command: fetches it; part of the error message.

    Raises:
        WeightsError: it has not been fetched, or the cached file has another digest.
    """
    path = find_cached(asset)
    if path is None:
        raise WeightsError(f"{asset.name} has not been fetched; do so with: {command}")
    return path


def require_converted(asset: Asset, command: str) -> Path:
    """The folder made from the file; see :func:`require_file`. The file itself may have been deleted since."""
    folder = asset.converted_path
    if not folder.is_dir():
        raise WeightsError(f"{asset.name} has not been fetched and converted; do so with: {command}")
    return folder


def has_published_digest(path: Path, asset: Asset) -> bool:
    """Whether a file has an asset's digest; true for every file if none is published."""
    if asset.git_sha1 and not asset.sha256:
        return blob_digest(path) == asset.git_sha1
    return file_digest(path).startswith(asset.sha256)


def first_damaged_file(folder: Path) -> str | None:
    """Name of the first file in a converted folder that has changed since, or ``None`` if none has."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return SUMS
    for line in lines:
        digest, _, name = line.partition("  ")
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            return name
    return None
