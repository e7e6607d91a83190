"""When and where samples were drawn or scored, as columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ABSENT, UNKNOWN = -2, -1


class Places:
    """For each sample the environment that something was done in, and when.

    Attributes:
        names: Digests of environments.
        numbers: For each sample the index of its environment in ``names``; ``ABSENT`` if nothing was done, ``UNKNOWN``
            if it was not recorded where.
        made: Seconds since 1970.
    """

    def __init__(self, count: int) -> None:
        self.names: list[str] = []
        self.numbers: Ints = np.full(count, ABSENT, dtype=np.int64)
        self.made: Ints = np.zeros(count, dtype=np.int64)
        self._index: dict[str | None, int] = {None: UNKNOWN}

    def set(self, samples: Ints, rows: Ints, origins: Sequence[tuple[str | None, int | None]]) -> None:
        """Set the origin of each of ``samples`` to that of its row in ``origins``."""
        self.numbers[samples] = np.array([self._number(name) for name, _ in origins], dtype=np.int64)[rows]
        self.made[samples] = np.array([made or 0 for _, made in origins], dtype=np.int64)[rows]

    def _number(self, name: str | None) -> int:
        if name not in self._index:
            self._index[name] = len(self.names)
            self.names.append(str(name))
        return self._index[name]
