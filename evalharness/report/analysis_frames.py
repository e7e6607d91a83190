"""An analysis as pandas frames: contrasts and their categories, trends, costs, best of k, parts of the variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Analysis, Contrast, ReplicateContrast, Replicates, Trend
from evalharness.analysis.stats import Estimate, Shares

if TYPE_CHECKING:
    import pandas as pd

CONTRAST_COLUMNS = (
    "benchmark", "arm", "baseline", "told_apart", "declared", "confirmatory", "correction", "family",
    "category", "difference", "low", "high", "se", "prompts", "pairs",
    "fixed", "broken", "both_right", "both_wrong", "better", "worse",
    "p", "p_adjusted", "mcnemar", "possible_low", "possible_high", "differing_images", "detectable",
    "variance_prompts", "variance_seeds", "variance_judge",
)  # fmt: skip
"""Columns of a table of contrasts. Those from ``p`` on are given for the category ``overall`` alone."""


def frames(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """The frames by the name that ends their files."""
    return {
        "contrasts": contrasts(analysis.contrasts),
        "trends": _frame([_trend(trend) for trend in analysis.trends]),
        "recipes": _frame([_replicates(group) | _counts(analysis, *group.arms) for group in analysis.replicates]),
        "recipe-contrasts": _frame([_replicate_contrast(contrast) for contrast in analysis.replicate_contrasts]),
        "costs": _frame(
            [
                {"arm": point.arm, "measure": point.measure}
                | _interval("cost", point.cost)
                | _interval("score", point.score)
                for point in analysis.costs
            ]
        ),
        "best-of": _frame(
            [
                {"arm": point.arm, "k": point.k} | _interval("score", point.score) | _counts(analysis, point.arm)
                for point in analysis.best_of
            ]
        ),
        "aspects": _frame(
            [
                {"arm": arm, "aspect": name}
                | _interval("score", mean)
                | {"questions": mean.samples}
                | _counts(analysis, arm)
                for arm, means in analysis.aspects.items()
                for name, mean in means.items()
            ]
        ),
        "diversity": _frame(
            [
                {"arm": arm} | _interval("diversity", found.value) | _interval("difference", found.difference)
                for arm, found in analysis.diversity.arms.items()
            ]
        ),
        "variance": _frame(
            [{"arm": arm} | asdict(parts) | {"total": parts.total} for arm, parts in analysis.variance.items()]
        ),
    }


def contrasts(compared: Sequence[Contrast]) -> pd.DataFrame:
    """A row for each contrast, overall, and one for each of its categories."""
    rows = []
    for contrast in compared:
        names = {name: getattr(contrast, name) for name in ("benchmark", "arm", "baseline")}
        names |= {
            "told_apart": contrast.significant,
            "declared": contrast.declared,
            "confirmatory": contrast.preregistered,
            "correction": contrast.correction,
            "family": contrast.family,
        }
        tests = {name: getattr(contrast, name) for name in ("p", "p_adjusted", "mcnemar", "detectable")}
        tests |= {"differing_images": contrast.differing_images}
        tests |= {"possible_low": contrast.possible[0], "possible_high": contrast.possible[1]}
        variance = contrast.variance
        tests |= {f"variance_{name}": getattr(variance, name) for name in ("prompts", "seeds", "judge")}
        overall = _difference(contrast.difference) | asdict(contrast.flips) | tests
        rows.append(names | {"category": "overall"} | overall)
        for category, flips in contrast.flips_by_category.items():
            rows.append(names | {"category": category} | _difference(contrast.categories[category]) | asdict(flips))
    return _frame(rows, CONTRAST_COLUMNS)


def quoted(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Published scores of a benchmark: name, overall, low, high, ``category.NAME``, note, source."""
    return _frame(
        [
            {"name": row["name"], "overall": row["score"], "low": row["low"], "high": row["high"]}
            | {f"category.{name}": value for name, value in row["categories"].items()}
            | {"note": row["note"], "source": row["source"]}
            for row in rows
        ],
        ("name", "overall", "low", "high"),
    )


def _difference(estimate: Estimate) -> dict[str, Any]:
    interval = {"difference": estimate.value, "low": estimate.low, "high": estimate.high, "se": estimate.se}
    return interval | {"prompts": estimate.prompts, "pairs": estimate.samples}


def _trend(trend: Trend) -> dict[str, Any]:
    values = " ".join(f"{value:g}" for value in trend.values)
    return (
        {"arms": " | ".join(trend.arms), "over": trend.over, "values": values, "confirmatory": trend.preregistered}
        | _interval("total", trend.total)
        | {"steps": " ".join(repr(step.difference.value) for step in trend.steps), "plateau": trend.plateau}
        | _interval("slope", trend.slope)
        | {"p": trend.p, "p_adjusted": trend.p_adjusted, "family": trend.family}
        | _distinction(trend)
    )


def _replicates(group: Replicates) -> dict[str, Any]:
    return (
        {"recipe": group.name, "trainings": len(group.arms), "arms": " | ".join(group.arms)}
        | {"scores": " ".join(map(repr, group.scores))}
        | _interval("mean", group.mean)
        | _interval("deviation", group.deviation)
        | _shares(group.shares)
    )


def _replicate_contrast(contrast: ReplicateContrast) -> dict[str, Any]:
    wider = {"everywhere_low": contrast.everywhere.low, "everywhere_high": contrast.everywhere.high}
    tests = {name: getattr(contrast, name) for name in ("degrees", "p", "p_adjusted", "family")}
    tests |= {"confirmatory": contrast.preregistered, "differing": " ".join(contrast.differing)}
    names = {"recipe": contrast.group, "against": contrast.against}
    return names | _difference(contrast.difference) | wider | tests | _shares(contrast.shares) | _distinction(contrast)


def _distinction(test: Trend | ReplicateContrast) -> dict[str, Any]:
    low, high = test.possible
    return {"told_apart": test.significant, "possible_low": low, "possible_high": high}


def _shares(shares: Shares) -> dict[str, float]:
    return {f"variance_{name}": value for name, value in asdict(shares).items()}


def _counts(analysis: Analysis, *arms: str) -> dict[str, int]:
    """How many samples of some arms are scored, and of how many."""
    scored, expected = analysis.counts(*arms)
    return {"scored": scored, "expected": expected}


def _interval(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high, f"{name}_se": estimate.se}


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(list(rows))
    return frame.reindex(columns=[*columns, *(name for name in frame.columns if name not in columns)])
