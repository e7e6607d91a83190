"""Packages with plugins, installed for a test: folders on the import path that have the metadata of a distribution."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from evalharness.api.plugin import Plugin

Plugins = Sequence[type[Plugin]] | Mapping[str, type[Any] | str]
"""Classes that have a name; or name → class or ``module:Class``."""


class InstallPlugins(Protocol):
    """Installs plugins for a test, by kind: ``install_plugins(models=[Mine], judges={"eye": "eyes:Eye"})``."""

    def __call__(self, **plugins: Plugins) -> None: ...


def install_package(folder: Path, **plugins: Plugins) -> str:
    """Write the metadata of a package with plugins of each kind; they are found while ``folder`` is on the import path.

    Returns:
        A ``PYTHONPATH`` with which a new process finds and imports them.
    """
    info = folder / "plugins_of_tests-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins-of-tests\nVersion: 1\n")
    lines, paths = [], [str(folder), str(Path(__file__).parent)]
    for kind, members in plugins.items():
        lines.append(f"[evalharness.{kind}]")
        named = members if isinstance(members, Mapping) else {plugin.name: plugin for plugin in members}
        for name, plugin in named.items():
            if not isinstance(plugin, str):
                paths.append(str(Path(sys.modules[plugin.__module__].__file__ or "").parent))
                plugin = f"{plugin.__module__}:{plugin.__qualname__}"
            lines.append(f"{name} = {plugin}")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return os.pathsep.join([*dict.fromkeys(paths), *filter(None, [os.environ.get("PYTHONPATH")])])
