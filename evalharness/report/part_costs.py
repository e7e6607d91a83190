"""What the parts of models cost that are made of several."""

from __future__ import annotations

from typing import Any

from evalharness.report.sample_files import COSTS
from evalharness.store.results import Results
from evalharness.types.trajectory import within_cap

Totals = dict[str, dict[str, float]]
"""Part → the number of an arm's samples, and over these the part's calls and each kind of cost."""


def part_costs(results: Results, benchmark: str | None = None) -> dict[str, Totals]:
    """The costs of the parts, for each arm that has some; of all benchmarks, or of one.

    A trajectory that arms share counts in full for each of them, up to the arm's iteration cap. A step is one call of
    each of its parts.
    """
    samples = results.samples[results.samples["state"].isin(["generated", "scored"])]
    if benchmark is not None:
        samples = samples[samples["benchmark"] == benchmark]
    caps = dict(zip(results.arms["arm"], results.arms["max_iterations"].astype(object), strict=True))
    costs = {}
    for arm, keys in samples.groupby("arm", sort=False)["trajectory"]:
        first = results.steps(keys.iloc[0])
        if not any(step.get("parts") for step in first):
            continue  # all samples of an arm are one model's
        cap = caps[arm] if isinstance(caps[arm], int) else None
        totals: Totals = {}
        for step in (step for key in keys for step in results.steps(key) if within_cap(step["iteration"], cap)):
            _add(totals, step.get("parts", {}))
        costs[str(arm)] = {part: {"samples": len(keys), **of_part} for part, of_part in totals.items()}
    return costs


def _add(totals: Totals, parts: dict[str, Any]) -> None:
    for part, cost in parts.items():
        of_part = totals.setdefault(part, dict.fromkeys(("calls", *COSTS), 0))
        of_part["calls"] += 1
        for name in COSTS:
            of_part[name] += cost[name]
