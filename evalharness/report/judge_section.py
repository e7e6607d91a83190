"""The section on the judge: what repeated questions and a second judge say of it, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evalharness.analysis import category_weights, stats
from evalharness.analysis.agreement import Agreement, agreement, flip_rate, reply_variance
from evalharness.analysis.stats import Estimate
from evalharness.api.model_names import is_version_of
from evalharness.report.formatting import short_scorer
from evalharness.report.summary import Summary
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

Z = 1.96
"""Half the width of a 95 % interval in standard errors."""
WITHOUT_ANSWER = {
    "cut": "cut off by their length limit",
    "refused": "refusals",
    "filtered": "stopped by a content filter",
    "empty": "empty beside thoughts",
}
SAMPLE_COLUMNS = ["arm", "item", "seed_index"]


@dataclass(frozen=True, slots=True)
class JudgeNoise:
    """The part of the judge's noise in an arm's overall score. NaN if repeats or scores are missing.

    Attributes:
        samples: number of samples that were judged again.
        flips: how often two replies about one of its images differ.
        moves: how far the overall score would move at most, 95 times in 100, if all its images were judged again.
        half: half the interval of its overall score.
        share: the judge's share of the variance of its overall score.
    """

    arm: str
    samples: int
    flips: Estimate
    moves: float
    half: float
    share: float


@dataclass(frozen=True, slots=True)
class Repeats:
    """The judge was asked ``times`` times about the same images; ``missing`` repeats have no score."""

    times: int
    samples: int
    items: int
    missing: int
    flips: Estimate
    effects: list[JudgeNoise]


@dataclass(frozen=True, slots=True)
class SecondJudge:
    """Two judges on the same images.

    Attributes:
        missing: number of images without a score of the second judge.
        parts: the category on which the two agree least; empty if they always agree.
        arms: (arm, overall score by the first judge, by the second) over the samples that both scored; NaN if a
            category has no such sample.
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
    """The section about a benchmark's judge; ``spent`` has replies, tokens and dollars for the images of this run."""

    repeats: Repeats | None = None
    seconds: list[SecondJudge] = field(default_factory=list)
    spent: dict[str, Any] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    """A sentence for each judge: which model answered, and how many replies had no answer."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judging(results: Results, summary: Summary) -> Judging | None:
    """The section about the judge; ``None`` for a benchmark without a judge or without checks."""
    if results.checks is None:
        return None
    info = results.info["benchmarks"][summary.benchmark]
    checks = results.checks[results.checks["benchmark"] == summary.benchmark]
    if checks.empty and not info.get("spent"):
        return None
    weights = category_weights(results, summary.benchmark)
    repeats = checks[checks["kind"] == "repeat"]
    seconds = [
        _second_judge(checks[checks["check"] == check["name"]], check, weights)
        for check in info.get("checks", ())
        if check["kind"] == "second"
    ]
    return Judging(
        repeats=None if repeats.empty else _repeats(repeats, summary, weights),
        seconds=[second for second in seconds if second.both.samples],
        spent=info.get("spent", {}),
        answered=[text for judge in info.get("judges", ()) if (text := answered_text(judge))],
    )


def answered_text(judge: Mapping[str, Any]) -> str:
    """Which models answered for a judge, and what those replies were that had no answer; empty if nothing is known.

    Args:
        judge: An entry of ``judges`` in :attr:`~evalharness.store.results.Results.info`.
    """
    sentences = []
    if judge["answered_by"]:
        models = [f"{name} ({count:,})" for name, count in judge["answered_by"].items()]
        sentences.append(f"{judge['asked']} was asked; answered by {', '.join(models)}.")
    outcomes = [(count, WITHOUT_ANSWER.get(name)) for name, count in judge["outcomes"].items()]
    lacking = [f"{count:,} {words}" for count, words in outcomes if words]
    if lacking:
        sentences.append(f"Replies of {judge['asked']} without a whole answer: {', '.join(lacking)}.")
    return " ".join(sentences)


def other_models(judge: Mapping[str, Any]) -> str | None:
    """A warning that another model answered than the one that was asked for; ``None`` if none did."""
    others = {name: count for name, count in judge["answered_by"].items() if not is_version_of(name, judge["asked"])}
    if not others:
        return None
    named = ", ".join(f"{name} ({count:,} of {judge['replies']:,} replies)" for name, count in others.items())
    return f"the judge that was asked for is {judge['asked']}, but {named} answered."


def _repeats(checks: pd.DataFrame, summary: Summary, weights: Mapping[str, float]) -> Repeats:
    index = [*SAMPLE_COLUMNS, "category", "score"]
    samples = checks.pivot(index=index, columns="check", values="other").reset_index()
    values = samples[["score", *checks["check"].unique()]].to_numpy(dtype=float)
    arms = samples["arm"].to_numpy()
    effects = []
    for row in summary.rows.values():
        of_arm = arms == row["arm"]
        if of_arm.any():
            effects.append(_judge_noise(row, samples[of_arm], values[of_arm], weights))
    return Repeats(
        times=values.shape[1],
        samples=len(samples),
        items=samples["item"].nunique(),
        missing=int(np.isnan(values).sum()),
        flips=flip_rate(values, samples["item"]),
        effects=effects,
    )


def _judge_noise(
    row: Mapping[str, Any], samples: pd.DataFrame, values: Any, weights: Mapping[str, float]
) -> JudgeNoise:
    """Estimate the judge's noise; ``values`` (samples, replies) holds the scores of all replies about each image."""
    counts = {name: int(row[f"category.{name}.scored"]) for name in weights}
    variance = reply_variance(values, samples["category"], weights, counts)
    complete = not math.isnan(row["overall"])
    half = (row["overall_high"] - row["overall_low"]) / 2 if complete else math.nan
    return JudgeNoise(
        arm=row["arm"],
        samples=len(samples),
        flips=flip_rate(values, samples["item"]),
        moves=Z * math.sqrt(variance) if complete else math.nan,
        half=half,
        share=min(1.0, variance / (half / Z) ** 2) if half > 0 else math.nan,
    )


def _second_judge(checks: pd.DataFrame, check: Mapping[str, Any], weights: Mapping[str, float]) -> SecondJudge:
    scored = checks[checks["other"].notna()]
    categories = {name: _agreement(scored[scored["category"] == name]) for name in weights}
    rates = {name: category.same.value for name, category in categories.items() if category.samples}
    least = min(rates, key=lambda name: rates[name]) if rates else ""
    return SecondJudge(
        name=check["name"],
        scorer=short_scorer(check["scorer"]),
        missing=int(checks["other"].isna().sum()),
        both=_agreement(scored),
        categories=categories,
        parts=least if least and rates[least] < 1 else "",
        arms=[(str(arm), *_overalls(scored[scored["arm"] == arm], weights)) for arm in scored["arm"].unique()],
    )


def _overalls(rows: pd.DataFrame, weights: Mapping[str, float]) -> tuple[float, float]:
    first, second = (
        stats.category_means(rows[column], rows["category"], list(weights)) for column in ("score", "other")
    )
    return float(stats.weighted(first, weights)), float(stats.weighted(second, weights))


def _agreement(rows: pd.DataFrame) -> Agreement:
    return agreement(rows["score"], rows["other"], rows["item"])
