"""Packages with plugins, installed for a test: folders on the import path that have the metadata of a distribution."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from evalharness.api.plugin import Plugin


class InstallPlugins(Protocol):
    """Installs classes for a test, each under its ``name``: ``install_plugins(models=[Mine])``."""

    def __call__(self, **plugins: Sequence[type[Plugin]]) -> None: ...


def install_package(folder: Path, **plugins: Sequence[type[Plugin]]) -> str:
    """Write the metadata of a package; its plugins are found while ``folder`` is on the import path.

    Args:
        plugins: Classes of each kind, such as ``models``.

    Returns:
        A ``PYTHONPATH`` with which a new process finds and imports them.
    """
    info = folder / "plugins_of_tests-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins-of-tests\nVersion: 1\n")
    lines, paths = [], {str(folder): None}
    for kind, classes in plugins.items():
        lines.append(f"[evalharness.{kind}]")
        lines += [f"{plugin.name} = {plugin.__module__}:{plugin.__qualname__}" for plugin in classes]
        paths |= {str(Path(inspect.getfile(plugin)).parent): None for plugin in classes}
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
