"""Finds the files that installed plugins need but do not contain."""

from __future__ import annotations

from typing import TypeAlias

from evalharness.api import registry
from evalharness.assets.asset import Asset
from evalharness.assets.listing import Snapshot
from evalharness.errors import ConfigError, PluginError, did_you_mean

Fetchable: TypeAlias = Asset | Snapshot


def assets_of(name: str) -> list[Fetchable]:
    """The files that plugins with a name, of whatever kind, need but do not contain.

    Raises:
        ConfigError: no plugin has this name, or it needs no files.
    """
    names_by_kind = {kind: registry.available(kind) for kind in registry.KINDS}
    kinds = [kind for kind, names in names_by_kind.items() if name in names]
    if not kinds:
        known = {name for names in names_by_kind.values() for name in names}
        raise ConfigError(f"no plugin is called {name!r}{did_you_mean(name, known)}")
    assets = [asset for kind in kinds for asset in _declared_assets(kind, name)]
    if not assets:
        raise ConfigError(f"{name!r} needs no files that could be fetched; these do: {', '.join(fetchable())}")
    return list(dict.fromkeys(assets))


def fetchable() -> dict[str, list[Fetchable]]:
    """Files of all installed plugins that need any, by the plugin's name."""
    by_plugin: dict[str, list[Fetchable]] = {}
    for kind in registry.KINDS:
        for name in registry.available(kind):
            try:
                assets = _declared_assets(kind, name)
            except PluginError:
                continue
            if assets:
                by_plugin[name] = list(dict.fromkeys([*by_plugin.get(name, ()), *assets]))
    return dict(sorted(by_plugin.items()))


def _declared_assets(kind: str, name: str) -> tuple[Fetchable, ...]:
    return tuple(registry.load(kind, name).assets)
