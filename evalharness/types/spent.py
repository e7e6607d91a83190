"""What calls to an endpoint have cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """Answers that were had, and dollars that they cost."""

    calls: int = 0
    dollars: float = 0.0
