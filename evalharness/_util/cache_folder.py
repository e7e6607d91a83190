"""The folder for what can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """``EVALHARNESS_CACHE``, or the user's cache folder."""
    configured = os.environ.get("EVALHARNESS_CACHE")
    return Path(configured) if configured else platformdirs.user_cache_path("evalharness")
