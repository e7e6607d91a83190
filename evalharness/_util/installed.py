"""The entry points of the installed packages."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any


def entry_points(group: str) -> metadata.EntryPoints:
    """The entry points of a group.

    As :func:`importlib.metadata.entry_points`, which reads the metadata of all packages at every call. Here they are
    read again only if a folder of the import path has changed.
    """
    points: metadata.EntryPoints = _read(tuple((folder, _modification_time(folder)) for folder in sys.path))
    return points.select(group=group)


def plugin_versions() -> dict[str, str]:
    """The versions of the distributions that plugins of this program come from."""
    points: Any = metadata.entry_points()
    groups = (points.select(group=group) for group in points.groups if group.startswith("evalharness."))
    distributions = [point.dist for group in groups for point in group if point.dist is not None]
    return dict(sorted((distribution.name, distribution.version) for distribution in distributions))


@lru_cache(maxsize=1)
def _read(folders: tuple[tuple[str, int], ...]) -> Any:
    return metadata.entry_points()


def _modification_time(folder: str) -> int:
    """In nanoseconds; 0 if there is no such folder."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0
