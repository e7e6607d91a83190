"""The folder of the trained weights that come with the package, registered in the group ``evalharness.weights``."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""One folder per network: ``unified``, ``detector``, ``clip``, ``judge``."""
