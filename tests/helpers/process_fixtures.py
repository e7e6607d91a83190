"""Fixtures of tests that run sweeps in processes of their own."""

from __future__ import annotations

from pathlib import Path

import crash_plugins
import pytest


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has the plugins of ``crash_plugins``."""
    return crash_plugins.install(tmp_path / "site")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder in which plugins note what they do."""
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder
