"""Coverage: how many of the expected samples have a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis import stats

if TYPE_CHECKING:
    import pandas as pd

    from evalharness.analysis.stats import Floats
    from evalharness.store.results import Results


@dataclass(frozen=True)
class Coverage:
    """The coverage of an arm on a benchmark.

    ``values`` and ``categories`` belong to the expected samples, (samples,); a missing score is NaN. ``by_category``
    has the numbers of scored and of expected samples of each category; ``score_range`` the lowest and highest score.
    """

    values: Floats
    categories: npt.NDArray[Any]
    by_category: Mapping[str, tuple[int, int]]
    score_range: tuple[float, float] = (0.0, 1.0)

    def bounds(self, weights: Mapping[str, float]) -> tuple[float, float]:
        """The overall score if all missing samples had the lowest score, and if all had the highest."""
        return stats.bounds(self.values, self.categories, weights, self.score_range)

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


def coverages(results: Results, benchmark: str) -> dict[str, Coverage]:
    """The coverage of each arm on a benchmark."""
    info = results.info["benchmarks"][benchmark]
    samples = results.samples[results.samples["benchmark"] == benchmark]
    return {str(arm): coverage(samples[samples["arm"] == arm], info) for arm in results.arms["arm"]}


def coverage(samples: pd.DataFrame, info: Mapping[str, Any]) -> Coverage:
    """The coverage of one arm's samples of a benchmark.

    A benchmark whose overall score is only defined over all items (``whole`` in its info) expects all of them, even if
    the run takes a subset.

    Args:
        samples: The arm's samples of the benchmark.
        info: The entry of the benchmark in the results' info.
    """
    values = samples["score"].astype(float).where(samples["state"] == "scored").to_numpy(dtype=float)
    categories = samples["category"].to_numpy(dtype=object)
    planned = {name: int((categories == name).sum()) for name in dict.fromkeys([*info["weights"], *categories])}
    items = samples.groupby("category")["item"].nunique()
    unplanned = {
        name: max(0, count - int(items.get(name, 0))) * int(info["samples"])
        for name, count in info.get("whole", {}).items()
    }
    by_category = {
        name: (int((~np.isnan(values[categories == name])).sum()), count + unplanned.get(name, 0))
        for name, count in planned.items()
    }
    missing = [name for name, count in unplanned.items() for _ in range(count)]
    return Coverage(
        np.concatenate([values, np.full(len(missing), np.nan)]),
        np.concatenate([categories, np.array(missing, dtype=object)]),
        by_category,
        score_range(info),
    )


def score_range(info: Mapping[str, Any]) -> tuple[float, float]:
    """The lowest and the highest score of a benchmark, from its entry in the results' info."""
    low, high = info.get("score_range", (0.0, 1.0))
    return float(low), float(high)
