"""Finds plugins, which are entry points in the groups ``evalharness.models``, ``evalharness.benchmarks`` and so on."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

from evalharness._util.installed import entry_points
from evalharness.api.benchmark import Benchmark
from evalharness.api.detector import Detector
from evalharness.api.executor import Executor
from evalharness.api.format import Format
from evalharness.api.judge import Judge
from evalharness.api.model import Model
from evalharness.api.plugin import Installable, Plugin
from evalharness.api.tracker import Tracker
from evalharness.api.variant import Variant
from evalharness.errors import PluginError, did_you_mean

BASES: dict[str, type[Installable]] = {
    "models": Model,
    "variants": Variant,
    "formats": Format,
    "benchmarks": Benchmark,
    "detectors": Detector,
    "judges": Judge,
    "executors": Executor,
    "trackers": Tracker,
}
"""Kind → the class that its plugins inherit from; others inherit from :class:`Plugin`."""
KINDS = (*BASES, "teachers", "filters")

EXTRAS = {"diffusers": "diffusers", "accelerate": "diffusers", "ray": "ray"}
EXTRAS |= dict.fromkeys(("lm_eval", "openai", "aiohttp"), "judge")
EXTRAS |= dict.fromkeys(("mmdet", "mmengine", "mmcv"), "geneval")
"""Optional package → the extra of this distribution that installs it."""


def available(kind: str) -> dict[str, EntryPoint]:
    """The installed plugins of a kind by name; nothing is imported. Of two with the same name, the first one wins."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"evalharness.{kind}"):
        found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def load(kind: str, name: str) -> Any:
    """Import a plugin.

    Returns:
        A class that inherits from the base class of its kind.

    Raises:
        PluginError: There is none of this name, it does not inherit from that class, or something that it imports or
            requires is not installed.
    """
    plugins = available(kind)
    if name not in plugins:
        raise PluginError(f"no {kind.removesuffix('s')} named {name!r}{did_you_mean(name, plugins)}")
    label, extra = f"{kind.removesuffix('s')} {name!r}", None
    try:
        plugin = plugins[name].load()
        _check_base(plugin, kind, label)
        extra = plugin.extra
        for package in plugin.requires:
            if find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return plugin
    except ImportError as error:
        raise PluginError(f"{label} cannot be imported: {error}{install_hint(error, extra)}") from error
    except AttributeError as error:
        raise PluginError(f"{label} has a broken entry point: {error}") from error


def _check_base(plugin: Any, kind: str, label: str) -> None:
    base = BASES.get(kind, Plugin)
    if not isinstance(plugin, type) or not issubclass(plugin, base):
        raise PluginError(f"{label} is not a class that inherits from {base.__module__}.{base.__qualname__}")
    if missing := sorted(getattr(plugin, "__abstractmethods__", ())):
        raise PluginError(f"{label} lacks {', '.join(missing)} of {base.__module__}.{base.__qualname__}")


def install_hint(error: ImportError, extra: str | None = None) -> str:
    """Text such as ``"; install it with: pip install …"``; empty if the missing package is not known."""
    package = (error.name or "").partition(".")[0]
    if package in EXTRAS:
        return f"; install it with: pip install 'evalharness[{extra or EXTRAS[package]}]'"
    if package and isinstance(error, ModuleNotFoundError) and package != "evalharness":
        return f"; install it with: pip install {package}"
    return ""
