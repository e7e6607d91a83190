"""Two runs that never took place, with pictures: the second has other verdicts, fewer prompts and another scorer."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from report_samples import sample_results

from evalharness.store.results import Results

ARMS = ("single-pass", "process max_iterations=6")


def compared_runs(folder: Path, *, prompts: int = 24, flipped: int = 5) -> tuple[Results, Results]:
    """Of the second, the first ``flipped`` prompts have the other verdict in the arm ``single-pass``."""
    first = _some_arms(sample_results(folder / "first", prompts=prompts, missing=False))
    second = _some_arms(sample_results(folder / "second", prompts=prompts - 2, missing=False))
    info = copy.deepcopy(dict(second.info)) | {"name": "other"}
    info["benchmarks"]["geneval"]["scorer"]["threshold"] = 0.5
    rows = second.samples.index[second.samples["arm"] == ARMS[0]][:flipped]
    second.samples.loc[rows, "score"] = 1.0 - second.samples.loc[rows, "score"]
    return first, replace(second, info=info)


def _some_arms(results: Results) -> Results:
    chosen = [table[table["arm"].isin(ARMS)].reset_index(drop=True) for table in (results.arms, results.samples)]
    return replace(results, arms=chosen[0], samples=chosen[1])
