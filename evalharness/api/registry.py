"""Plugins are entry points in the groups ``evalharness.models``, ``evalharness.benchmarks`` …, built-in ones too."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from evalharness.errors import PluginError, did_you_mean

KINDS = ("models", "formats", "benchmarks", "detectors", "judges", "executors", "teachers", "filters")

EXTRAS = {"diffusers": "diffusers", "accelerate": "diffusers", "ray": "ray"}
EXTRAS |= dict.fromkeys(("lm_eval", "openai", "aiohttp"), "judge")
EXTRAS |= dict.fromkeys(("mmdet", "mmengine", "mmcv"), "geneval")
"""Optional package → the extra of this distribution that installs it."""


def available(kind: str) -> dict[str, EntryPoint]:
    """The installed plugins of a kind by name; nothing is imported. Of two with one name, the first found wins."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"evalharness.{kind}"):
        found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def load(kind: str, name: str) -> Any:
    """Import a plugin: a class. Packages that it imports later stand in its attribute ``requires``; ``extra`` names the
    extra of this distribution that brings them, where others bring them, too.

    Raises:
        PluginError: there is none of this name, or something that it imports or requires is not installed.
    """
    plugins = available(kind)
    if name not in plugins:
        raise PluginError(f"no {kind.removesuffix('s')} named {name!r}{did_you_mean(name, plugins)}")
    this, extra = f"{kind.removesuffix('s')} {name!r}", None
    try:
        plugin = plugins[name].load()
        extra = getattr(plugin, "extra", None)
        for package in getattr(plugin, "requires", ()):
            if find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return plugin
    except ImportError as error:
        raise PluginError(f"{this} cannot be imported: {error}{install_hint(error, extra)}") from error
    except AttributeError as error:
        raise PluginError(f"{this} has a broken entry point: {error}") from error


def install_hint(error: ImportError, extra: str | None = None) -> str:
    """``"; install it with: pip install …"`` where the missing package is known."""
    package = (error.name or "").partition(".")[0]
    if package in EXTRAS:
        return f"; install it with: pip install 'evalharness[{extra or EXTRAS[package]}]'"
    if package and isinstance(error, ModuleNotFoundError) and package != "evalharness":
        return f"; install it with: pip install {package}"
    return ""
