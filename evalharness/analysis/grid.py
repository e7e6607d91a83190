"""The scores of a benchmark as a table with a row for each prompt and seed and a column for each arm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalharness.analysis.coverage import score_range
from evalharness.analysis.stats import Floats
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Grid:
    """The scores of a benchmark.

    ``scores``: (rows, arms), NaN where a sample has none; ``planned``: (rows, arms), whether there is a sample, which
    an arm of existing images may lack; ``items``, ``categories`` and ``seeds``: (rows,).

    ``items`` are indices into ``ids``, the sorted ids of the items, because numbers are compared faster.
    """

    benchmark: str
    arms: tuple[str, ...]
    scores: Floats
    planned: npt.NDArray[np.bool_]
    items: npt.NDArray[np.int64]
    ids: npt.NDArray[Any]
    categories: npt.NDArray[Any]
    seeds: npt.NDArray[np.int64]
    frame: pd.DataFrame
    """The benchmark's samples, for their costs."""
    score_range: tuple[float, float] = (0.0, 1.0)
    """The lowest and the highest score."""

    def column(self, arm: str) -> Floats:
        """The scores of an arm, (rows,)."""
        column: Floats = self.scores[:, self.arms.index(arm)]
        return column

    def difference(self, arm: str, other: str) -> Floats:
        """The scores of an arm minus those of another, (rows,); NaN where either has none."""
        difference: Floats = self.column(arm) - self.column(other)
        return difference

    def differing_images(self, arm: str, other: str) -> int:
        """The number of prompts and seeds for which both arms have an image, and not the same file."""
        rows = [self.frame[self.frame["arm"] == name] for name in (arm, other)]
        first, second = (part.set_index(["item", "seed_index"])["image"].dropna() for part in rows)
        both = first.to_frame("first").join(second.rename("second"), how="inner")
        return int((both["first"] != both["second"]).sum())

    def pivoted(self, values: pd.Series) -> Floats:
        """Other values of the samples, aligned with ``frame``, as (rows, arms)."""
        return _pivoted(self.frame.assign(value=values), self.arms)[0]


def grid(results: Results, benchmark: str) -> Grid:
    """The grid of a benchmark; arms in the order of the run, without those that have no samples."""
    limits = score_range(results.info["benchmarks"][benchmark])
    return grid_of(benchmark, results.samples, results.arms["arm"], limits)


def grid_of(benchmark: str, samples: pd.DataFrame, names: Iterable[str], limits: tuple[float, float]) -> Grid:
    """The same of a table of samples; ``names``: of the arms in order; ``limits``: the lowest and highest score."""
    frame = samples[samples["benchmark"] == benchmark]
    score = frame["score"].astype(float).where(frame["state"] == "scored")
    sampled = set(frame["arm"].unique())
    arms = tuple(str(arm) for arm in names if arm in sampled)
    scores, index, ids = _pivoted(frame.assign(value=score), arms)
    items, seeds, categories = (index[name].to_numpy() for name in ("item", "seed_index", "category"))
    planned = np.ones(scores.shape, dtype=bool)
    if len(frame) < scores.size:
        planned = _pivoted(frame.assign(value=1.0), arms)[0] == 1
    return Grid(benchmark, arms, scores, planned, items, ids, categories, seeds, frame, limits)


def _pivoted(frame: pd.DataFrame, arms: tuple[str, ...]) -> tuple[Floats, pd.DataFrame, npt.NDArray[Any]]:
    """Pivot by integer codes, unlike ``DataFrame.pivot``, which would compare strings row by row.

    Returns:
        The values (rows, arms), an index with the columns ``item`` (a code), ``seed_index`` and ``category``, and the
        ids of the items by code.
    """
    import pandas as pd

    item_codes, items = pd.factorize(frame["item"], sort=True)
    code_of_arm = {arm: code for code, arm in enumerate(arms)}
    arm_codes = frame["arm"].map(code_of_arm).to_numpy(dtype=np.int64)
    seeds = frame["seed_index"].to_numpy(dtype=np.int64)
    width = int(seeds.max(initial=0)) + 1
    row_codes, rows = pd.factorize(item_codes * width + seeds, sort=True)
    table = np.full((len(rows), len(arms)), np.nan)
    table[row_codes, arm_codes] = frame["value"].to_numpy(dtype=float)
    first_sample = np.zeros(len(rows), dtype=np.int64)
    first_sample[row_codes[::-1]] = np.arange(len(frame))[::-1]
    index = pd.DataFrame(
        {
            "item": rows // width,
            "seed_index": rows % width,
            "category": frame["category"].to_numpy(dtype=object)[first_sample],
        }
    )
    return table, index, np.asarray(items, dtype=object)
