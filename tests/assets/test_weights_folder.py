"""Embedded weights are found through entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from evalharness.assets import weights_folder
from evalharness.assets.weights_folder import GROUP, embedded_weights
from evalharness.errors import WeightsError

FIRST, SECOND = Path("/nowhere"), Path(__file__).parents[1]


def register(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Replace the registered folders by constants of this module."""
    entries = [EntryPoint(name, f"{__name__}:{name}", GROUP) for name in names]
    monkeypatch.setattr(weights_folder, "entry_points", lambda group: entries if group == GROUP else [])


def test_the_package_registers_its_own() -> None:
    assert embedded_weights("detector").parts[-2:] == ("weights", "detector")


def test_the_first_folder_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "FIRST", "SECOND")
    assert embedded_weights("assets") == SECOND / "assets"
    assert embedded_weights("missing") == FIRST / "missing", "named in the error of whoever reads it"


def test_none_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    with pytest.raises(WeightsError, match="no embedded weights"):
        embedded_weights("detector")
