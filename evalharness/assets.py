"""Files that others publish and that this package does not carry: which ones, and where they lie once fetched.

A plugin whose class has ``assets`` (a tuple of :class:`Asset`) is known to ``evalharness fetch NAME``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from evalharness.digests import file_digest
from evalharness.errors import WeightsError


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. ``folder`` and ``name`` say where it lies in the cache, and in a mirror.

    ``sha256`` is the whole digest in hex, or its first digits where no more is published.
    """

    folder: str
    name: str
    url: str
    sha256: str
    size: int | None = None

    @property
    def path(self) -> Path:
        """Its place in the cache, whether it is there or not."""
        return cache() / self.folder / self.name


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
    if not file_digest(path).startswith(asset.sha256):
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 does not begin with {asset.sha256[:12]}; delete it"
        )
    return path
