"""Can the judge be trusted? What repeated questions and a second judge say of it, and what it cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evalharness.analysis import stats
from evalharness.analysis.agreement import Agreement, agreement, flip_rate, reply_variance
from evalharness.analysis.arms import records
from evalharness.analysis.stats import Estimate
from evalharness.report.tables import Table, category_weights, short_scorer
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

Z = 1.96
"""Half the width of a 95 % interval in standard errors."""
SAMPLE = ["arm", "item", "seed_index"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an arm's overall score owes to the judge's mood.

    ``flips``: how often two replies about one of its images differ. ``moves``: were all its images judged again, its
    overall score would move so far, 95 times in 100. ``half``: half its interval, ``share`` the judge's part of its
    variance. NaN where the repeats or the scores do not say.
    """

    arm: str
    samples: int
    flips: Estimate
    moves: float
    half: float
    share: float


@dataclass(frozen=True, slots=True)
class Repeats:
    """The judge asked ``times`` times about the same images; ``missing`` are repeats without a score."""

    times: int
    samples: int
    items: int
    missing: int
    flips: Estimate
    effects: list[Effect]


@dataclass(frozen=True, slots=True)
class Second:
    """Two judges on the same images. ``parts``: the category where most of their values differ.

    ``arms``: (arm, overall by the first, by the second), over the samples that both scored; NaN where a category has
    none.
    """

    name: str
    scorer: str
    missing: int
    both: Agreement
    categories: dict[str, Agreement]
    parts: str
    arms: list[tuple[str, float, float]]


@dataclass(frozen=True, slots=True)
class Judging:
    """All that is known of a benchmark's judge; ``spent``: replies, tokens and dollars for the images of this run."""

    repeats: Repeats | None = None
    seconds: list[Second] = field(default_factory=list)
    spent: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judging(results: Results, table: Table) -> Judging | None:
    """``None`` for a benchmark without a judge or without checks."""
    about = results.info["benchmarks"][table.benchmark]
    checks = results.checks[results.checks["benchmark"] == table.benchmark] if results.checks is not None else None
    if checks is None or (checks.empty and not about.get("spent")):
        return None
    weights = category_weights(results, table.benchmark)
    again = checks[checks["kind"] == "repeat"]
    names = [check for check in about.get("checks", ()) if check["kind"] == "second"]
    seconds = [_second(checks[checks["check"] == check["name"]], check, weights) for check in names]
    repeats = None if again.empty else _repeats(again, table, weights)
    return Judging(repeats, [one for one in seconds if one.both.samples], about.get("spent", {}))


# --- the same judge again ---


def _repeats(again: pd.DataFrame, table: Table, weights: dict[str, float]) -> Repeats:
    wide = again.pivot(index=[*SAMPLE, "category", "score"], columns="check", values="other").reset_index()
    values = wide[["score", *again["check"].unique()]].to_numpy(dtype=float)
    rows = {row["arm"]: row for row in records(table.wide)}
    asked = wide["arm"].to_numpy()
    effects = [
        _effect(rows[arm], wide[asked == arm], values[asked == arm], weights) for arm in rows if (asked == arm).any()
    ]
    return Repeats(
        times=values.shape[1],
        samples=len(wide),
        items=wide["item"].nunique(),
        missing=int(np.isnan(values).sum()),
        flips=flip_rate(values, wide["item"], wide["category"]),
        effects=effects,
    )


def _effect(row: dict[str, Any], own: pd.DataFrame, values: Any, weights: dict[str, float]) -> Effect:
    counts = {name: int(row[f"category.{name}.scored"]) for name in weights}
    variance = reply_variance(values, own["category"], weights, counts)
    complete = not math.isnan(row["overall"])
    half = (row["overall_high"] - row["overall_low"]) / 2 if complete else math.nan
    share = min(1.0, variance / (half / Z) ** 2) if half > 0 else math.nan
    flips = flip_rate(values, own["item"], own["category"])
    return Effect(row["arm"], len(own), flips, Z * math.sqrt(variance) if complete else math.nan, half, share)


# --- another judge ---


def _second(own: pd.DataFrame, check: dict[str, Any], weights: dict[str, float]) -> Second:
    both = own[own["other"].notna()]
    categories = {name: _agreement(both[both["category"] == name]) for name in weights}
    known = {name: one.same.value for name, one in categories.items() if one.samples}
    arms = [str(arm) for arm in both["arm"].unique()]
    return Second(
        name=check["name"],
        scorer=short_scorer(check["scorer"]),
        missing=int(own["other"].isna().sum()),
        both=_agreement(both),
        categories=categories,
        parts=min(known, key=lambda name: known[name]) if known and min(known.values()) < 1 else "",
        arms=[(arm, *_overall(both[both["arm"] == arm], weights)) for arm in arms],
    )


def _overall(rows: pd.DataFrame, weights: dict[str, float]) -> tuple[float, float]:
    means = [stats.category_means(rows[name], rows["category"], list(weights)) for name in ("score", "other")]
    return float(stats.weighted(means[0], weights)), float(stats.weighted(means[1], weights))


def _agreement(rows: pd.DataFrame) -> Agreement:
    return agreement(rows["score"], rows["other"], rows["item"], rows["category"])
