"""Marks results with the time and the environment of the process that made them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TypeVar

from evalharness._util import environment
from evalharness.types.origin import Origin
from evalharness.types.score import Score
from evalharness.types.trajectory import PartialTrajectory, Trajectory

R = TypeVar("R", Score, Trajectory, PartialTrajectory)


def made_here(result: R) -> R:
    """A copy of a result that says that it was made now, in this process."""
    return replace(result, origin=Origin(environment.described(), int(time.time())))
