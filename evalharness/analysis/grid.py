"""The scores of a benchmark as a table: a row a prompt and seed, a column an arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis.stats import Floats
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Grid:
    """``scores``: (rows, arms), NaN where a sample has none; ``items``, ``categories`` and ``seeds``: (rows,).

    Items are numbers in the order of their ids, which are ``ids``: numbers are compared faster.
    """

    benchmark: str
    arms: tuple[str, ...]
    scores: Floats
    items: npt.NDArray[np.int64]
    ids: npt.NDArray[Any]
    categories: npt.NDArray[Any]
    seeds: npt.NDArray[np.int64]
    frame: pd.DataFrame
    """The benchmark's samples, for their costs."""

    def column(self, arm: str) -> Floats:
        found: Floats = self.scores[:, self.arms.index(arm)]
        return found

    def difference(self, arm: str, other: str) -> Floats:
        found: Floats = self.column(arm) - self.column(other)
        return found

    def pivoted(self, values: pd.Series) -> Floats:
        """Another column of the samples in the same form."""
        return _pivoted(self.frame.assign(value=values), self.arms)[0]


def grid(results: Results, benchmark: str) -> Grid:
    """In the order of the run's arms; arms without samples are left out."""
    frame = results.samples[results.samples["benchmark"] == benchmark]
    score = frame["score"].astype(float).where(frame["state"] == "scored")
    seen = set(frame["arm"].unique())
    arms = tuple(str(arm) for arm in results.arms["arm"] if arm in seen)
    scores, index, ids = _pivoted(frame.assign(value=score), arms)
    items, seeds, categories = (index[name].to_numpy() for name in ("item", "seed_index", "category"))
    return Grid(benchmark, arms, scores, items, ids, categories, seeds, frame)


def _pivoted(frame: pd.DataFrame, arms: tuple[str, ...]) -> tuple[Floats, pd.DataFrame, npt.NDArray[Any]]:
    """As of DataFrame.pivot, but by codes: strings are compared once, not a row."""
    import pandas as pd

    item_codes, items = pd.factorize(frame["item"], sort=True)
    place = {arm: number for number, arm in enumerate(arms)}
    arm_codes = frame["arm"].map(place).to_numpy(dtype=np.int64)
    seeds = frame["seed_index"].to_numpy(dtype=np.int64)
    width = int(seeds.max(initial=0)) + 1
    row_codes, rows = pd.factorize(item_codes * width + seeds, sort=True)
    table = np.full((len(rows), len(arms)), np.nan)
    table[row_codes, arm_codes] = frame["value"].to_numpy(dtype=float)
    first = np.zeros(len(rows), dtype=np.int64)
    first[row_codes[::-1]] = np.arange(len(frame))[::-1]
    index = pd.DataFrame(
        {
            "item": rows // width,
            "seed_index": rows % width,
            "category": frame["category"].to_numpy(dtype=object)[first],
        }
    )
    return table, index, np.asarray(items, dtype=object)
