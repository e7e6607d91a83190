"""The base classes of plugins, with the attributes that registry and sweep files read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class NoSettings(BaseModel):
    """The settings of a plugin that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Installable:
    """A class that an entry point names.

    Attributes:
        requires: Packages that it imports only when it is used. ``evalharness list`` and the start of a sweep report
            those that are missing.
        extra: The extra of this distribution that installs them, if several extras do.
        assets: Files that ``evalharness fetch`` gets for it: ``evalharness.assets.asset.Asset`` and ``Snapshot``.
        behaviour_version: Raised whenever the same settings and weights give other results than before. It is part of
            the keys of these results, so that they are made again.
    """

    requires: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str | None] = None
    assets: ClassVar[tuple[Any, ...]] = ()
    behaviour_version: ClassVar[int] = 1


class Plugin(Installable):
    """A class with settings. Its constructor takes the checked settings, and is cheap.

    A plugin reads no weights and does not import torch before it is used, because plugins are also made to be listed,
    planned and checked.

    Attributes:
        name: The name of its entry point.
        Settings: A pydantic class, whose fields are the plugin's keys in a sweep file.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[BaseModel]] = NoSettings

    def programs(self) -> Sequence[Path]:
        """Files with Python code that its settings name and that it runs. They are announced before they are run."""
        return ()


def versioned_identity(identity: Mapping[str, Any], plugin: Installable) -> dict[str, Any]:
    """The identity of what a plugin makes, with the plugin's behaviour version unless that is 1."""
    if plugin.behaviour_version == 1:
        return dict(identity)
    return {**identity, "behaviour_version": plugin.behaviour_version}
