"""When and where a result was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """When and where a trajectory or a score was made.

    Attributes:
        environment: Machine, devices, versions and commit as JSON text, see ``evalharness._util.environment``.
        made: Seconds since 1970.
    """

    environment: str
    made: int
