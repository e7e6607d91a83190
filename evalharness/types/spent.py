"""The cost of calls to an endpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """Number of answers that were paid for, and their cost in dollars."""

    calls: int = 0
    dollars: float = 0.0
