"""Packages with plugins, installed for a test: folders on the import path that have the metadata of a distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from evalharness.api.plugin import Plugin


class InstallPlugins(Protocol):
    """Installs classes for a test, each under its ``name``: ``install_plugins(models=[Mine])``."""

    def __call__(self, **plugins: Sequence[type[Plugin]]) -> None: ...


def install_package(folder: Path, name: str, plugins: Mapping[str, Mapping[str, str]]) -> None:
    """Write the metadata of a package; its plugins are found while ``folder`` is on the import path.

    Args:
        plugins: Kind, such as ``models`` → name → ``module:Class``.
    """
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    lines = []
    for kind, entries in plugins.items():
        lines += [f"[evalharness.{kind}]", *(f"{plugin} = {value}" for plugin, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
