"""When and where a result was made, as a whole or in stretches."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps of a trajectory, one after the other, that were made in one environment.

    Attributes:
        end: How many steps the trajectory has up to the last of them.
        origin: Where they were made, and when the last of them; ``None`` if that is not known.
    """

    end: int
    origin: Origin | None


def stretches_before(begun: Sequence[Stretch], origin: Origin | None) -> tuple[Stretch, ...]:
    """The stretches before one that follows ``begun``; if it is of the same environment, it includes the last."""
    last = begun[-1].origin if begun else None
    same = last is not None and origin is not None and last.environment == origin.environment
    return tuple(begun[:-1] if same else begun)
