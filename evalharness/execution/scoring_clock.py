"""Measures how long a scorer takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from evalharness._util.hashing import digest
from evalharness.types.score import ScoringTime


class ScoringClock:
    """The time since the last scores of one scorer.

    Args:
        identity: The identity of the scorer in the plan; without one nothing is measured.
        loads: Whether the first scores also load the scorer, so that their time says nothing of others.
    """

    def __init__(self, identity: Mapping[str, Any] | None = None, *, loads: bool = True) -> None:
        self._scorer = None if identity is None else digest(dict(identity))
        self._loading = loads
        self._since = 0.0

    def start(self) -> None:
        """Scoring begins."""
        self._since = time.perf_counter()

    def share(self, count: int) -> ScoringTime | None:
        """The share of each of ``count`` scores, which are complete; the next ones begin.

        Returns:
            ``None`` if it is not known.
        """
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        loading, self._loading = self._loading, False
        return None if loading or self._scorer is None else ScoringTime(self._scorer, seconds / count)
