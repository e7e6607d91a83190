"""Fixtures for tests of the model ``images-api``."""

from __future__ import annotations

import pytest
from images_model import KEY


@pytest.fixture
def images_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of the endpoint, in the environment."""
    monkeypatch.setenv("IMAGES_KEY", KEY)
    return KEY
