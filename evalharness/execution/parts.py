"""Which parts of a run are to be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a run.

    Attributes:
        drawing: Whether missing trajectories are drawn.
        scoring: Whether images are scored.
        check: Whether the first samples of each arm go through all parts before the others are begun, whether only
            these are worked on, or whether all samples are begun at once.
    """

    drawing: bool = True
    scoring: bool = True
    check: Literal["first", "only", "none"] = "first"


ALL = Parts()
