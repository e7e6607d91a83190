"""``evalharness list``: lists the installed plugins, and what is missing for those that cannot be used."""

from __future__ import annotations

import argparse

from evalharness._util import console
from evalharness.api import registry
from evalharness.errors import PluginError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""


def run(options: argparse.Namespace) -> int:
    """Print the plugins by kind; returns the exit code."""
    for kind in registry.KINDS:
        console.write("\n".join([kind, *_lines(kind)]))
    return 0


def _lines(kind: str) -> list[str]:
    plugins = registry.available(kind)
    if not plugins:
        return ["  none"]
    width = max(map(len, plugins))
    return [f"  {name:<{width}}  {_note(kind, name, entry.value)}" for name, entry in plugins.items()]


def _note(kind: str, name: str, location: str) -> str:
    try:
        registry.load(kind, name)
    except PluginError as error:
        return f"not usable: {error}"
    return location
