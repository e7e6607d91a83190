"""How many samples are scored of those that a score is to rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.analysis.stats import Floats


@dataclass(frozen=True)
class Coverage:
    """``values``: a score for each sample that is expected, NaN where it is missing; ``categories``: theirs.

    ``by_category``: scored and expected of each.
    """

    values: Floats
    categories: npt.NDArray[Any]
    by_category: Mapping[str, tuple[int, int]]

    @property
    def scored(self) -> int:
        return sum(scored for scored, _ in self.by_category.values())

    @property
    def expected(self) -> int:
        return sum(expected for _, expected in self.by_category.values())

    @property
    def complete(self) -> bool:
        return self.scored == self.expected

    @property
    def text(self) -> str:
        return f"{self.scored}/{self.expected}"

    @property
    def by_category_text(self) -> str:
        return ", ".join(f"{name} {scored}/{expected}" for name, (scored, expected) in self.by_category.items())


def coverage(samples: pd.DataFrame, about: Mapping[str, Any]) -> Coverage:
    """Of one arm's samples of a benchmark, ``about`` which the results' info tells.

    A benchmark whose overall score is not defined over fewer items than all (``whole``) expects them all, whatever part
    of them a run takes.
    """
    values = samples["score"].astype(float).where(samples["state"] == "scored").to_numpy(dtype=float)
    categories = samples["category"].to_numpy(dtype=object)
    found = {name: int((categories == name).sum()) for name in dict.fromkeys([*about["weights"], *categories])}
    whole = {name: count * int(about["samples"]) for name, count in about.get("whole", {}).items()}
    absent = [name for name, count in whole.items() for _ in range(count - found.get(name, 0))]
    counts = {
        name: (int((~np.isnan(values[categories == name])).sum()), max(count, whole.get(name, 0)))
        for name, count in found.items()
    }
    return Coverage(
        np.concatenate([values, np.full(len(absent), np.nan)]),
        np.concatenate([categories, np.array(absent, dtype=object)]),
        counts,
    )
