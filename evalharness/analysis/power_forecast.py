"""Which differences a plan could tell apart, before anything is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalharness.analysis import stats
from evalharness.analysis.benchmarks import category_weights
from evalharness.analysis.grid import Grid, grid
from evalharness.analysis.power import NEEDED
from evalharness.analysis.stats import Floats, Needed
from evalharness.planning.plan import Plan
from evalharness.store.load import load_results
from evalharness.store.store import Store
from evalharness.store.trajectory_columns import Ints

ALIKE = 0.5
"""For how many prompts, by default, either all images differ or none."""
PROMPTS = 200
"""How many prompts of a category the default is made of; simulated runs draw as many of them as are planned."""


@dataclass(frozen=True, slots=True)
class PowerForecast:
    """What a plan could show of a contrast.

    Attributes:
        benchmark: name of the benchmark.
        arm: the arm.
        against: the arm that it is compared with.
        shown: the smallest true difference that would be told apart four times in five; NaN if none would be.
        pairs: the number of scored pairs that it was simulated from; 0 where the benchmark's default was taken.
        flips: the share of images that differ in verdict, as assumed or as found.
        needed: the sizes of plans that would show other differences.
    """

    benchmark: str
    arm: str
    against: str
    shown: float
    pairs: int
    flips: float
    needed: tuple[Needed, ...]

    def __str__(self) -> str:
        origin = (
            f"from {self.pairs:,} scored pairs" if self.pairs else f"if {100 * self.flips:.0f} % of verdicts differ"
        )
        name = f"{self.benchmark}: {self.arm} against {self.against}"
        if math.isnan(self.shown):
            return f"{name}: too few prompts to tell any difference apart ({origin})"
        sizes = "; ".join(filter(None, map(_size_text, self.needed)))
        return f"{name}: could tell apart {100 * self.shown:.1f} points ({origin}){': ' if sizes else ''}{sizes}"


def power_forecasts(plan: Plan, store: Store) -> Iterator[PowerForecast]:
    """A forecast for each declared contrast on each benchmark; without any, for each arm against the baseline.

    They are simulated from the pairs that the store has scores for, or else from the share of verdicts that arms differ
    in by the benchmark's default.
    """
    results = load_results(plan, store, {})
    declared = plan.sweep.analysis
    pairs = [(contrast.arm, contrast.against) for contrast in declared.contrasts]
    tests = len(pairs) + len(declared.trends)
    if not pairs:
        baseline = plan.sweep.baseline
        pairs = [(arm.name, baseline) for arm in plan.sweep.arms if arm.name != baseline]
        tests = len(pairs)
    for name, planned in plan.benchmarks.items():
        table, weights = grid(results, name), category_weights(results, name)
        prompts = dict(Counter(item.category for item in planned.items))
        for arm, against in pairs:
            differences, flips = table.difference(arm, against), planned.benchmark.expected_flips
            items, categories, scored = table.items, table.categories, int((~np.isnan(differences)).sum())
            if not _known(table, differences, weights):
                differences, items, categories = _assumed(list(prompts), planned.samples, flips)
                scored = 0
            labels = items, categories, weights
            family = tests * len(plan.benchmarks)
            shown = stats.smallest_shown(differences, *labels, tests=family, prompts=prompts)
            variance = stats.components(differences, *labels)
            needed = tuple(stats.needed(variance, sum(prompts.values()), shown, points) for points in NEEDED)
            yield PowerForecast(name, arm, against, shown, scored, flips, needed)


def _known(table: Grid, differences: Floats, weights: dict[str, float]) -> bool:
    """Whether each category that counts has two prompts with a scored pair."""
    scored = ~np.isnan(differences)
    counted = [scored & (table.categories == name) for name, weight in weights.items() if weight]
    return all(len(np.unique(table.items[inside])) > 1 for inside in counted)


def _assumed(categories: Sequence[str], images: int, flips: float) -> tuple[Floats, Ints, npt.NDArray[np.str_]]:
    """Differences, items and categories of images of which this share is fixed or broken."""
    generator = np.random.default_rng(0)
    prompts = PROMPTS * len(categories)
    items = np.repeat(np.arange(prompts), images)
    signs = generator.choice([-1.0, 1.0], size=prompts)[items]
    whole, alike = (generator.random(prompts)[items] < share for share in (flips, ALIKE))
    alone = generator.random(len(items)) < flips
    differences = np.where(np.where(alike, whole, alone), signs, 0.0)
    return differences, items, np.repeat(np.array(categories, dtype=str), PROMPTS * images)


def _size_text(needed: Needed) -> str:
    points = f"{100 * needed.difference:g} {'point' if needed.difference == 0.01 else 'points'}"
    if not math.isfinite(needed.prompts):
        return ""
    images = f" or {needed.images:,.0f} images of each" if math.isfinite(needed.images) else ""
    return f"{points} would take {needed.prompts:,.0f} prompts{images}"
