"""Says which programs of others are about to run: scripts and configs with code that a sweep file names by path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from evalharness._util.progress import Progress
from evalharness._util.regular_files import read_regular
from evalharness.api.plugin import Plugin
from evalharness.errors import ConfigError


def announce_programs(plugins: Iterable[Plugin]) -> None:
    """Write a line on stderr for each program that the plugins run, with its digest.

    Raises:
        ConfigError: A program cannot be read.
    """
    for plugin in plugins:
        for path in plugin.programs():
            try:
                digest = hashlib.sha256(read_regular(path)).hexdigest()
            except OSError as error:
                raise ConfigError(f"{plugin.name}: {path} cannot be read: {error.strerror}") from None
            _announce(plugin.name, path, digest)


@cache
def _announce(name: str, path: Path, digest: str) -> None:
    """Once a process: plans are made again and again."""
    Progress().say(f"{name} runs the program {path}, SHA-256 {digest}")
