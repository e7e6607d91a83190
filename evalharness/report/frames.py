"""An analysis as pandas frames: contrasts and their categories, trends, costs, best of k, parts of the variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Analysis, Contrast, RecipeContrast, Replicates
from evalharness.analysis.stats import Estimate, Shares

if TYPE_CHECKING:
    import pandas as pd

CONTRAST_COLUMNS = (
    "benchmark", "arm", "baseline", "confirmatory", "correction", "family",
    "category", "difference", "low", "high", "se", "prompts", "pairs",
    "fixed", "broken", "both_right", "both_wrong", "better", "worse",
    "p", "p_adjusted", "mcnemar", "detectable", "variance_prompts", "variance_seeds", "variance_judge",
)  # fmt: skip
"""Those from ``p`` on are of the overall difference alone, whose category is ``overall``."""


def frames(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """By the name that ends their files."""
    return {
        "contrasts": contrasts(analysis.contrasts),
        "trends": _frame([_trend(one) for one in analysis.trends]),
        "recipes": _frame([_recipe(one) for one in analysis.recipes]),
        "recipe-contrasts": _frame([_recipe_contrast(one) for one in analysis.recipe_contrasts]),
        "costs": _frame(
            [
                {"arm": one.arm, "measure": one.measure} | _named("cost", one.cost) | _named("score", one.score)
                for one in analysis.costs
            ]
        ),
        "best-of": _frame([{"arm": one.arm, "k": one.k} | _named("score", one.score) for one in analysis.best_of]),
        "variance": _frame(
            [{"arm": arm} | asdict(parts) | {"total": parts.total} for arm, parts in analysis.variance.items()]
        ),
    }


def contrasts(found: Sequence[Contrast]) -> pd.DataFrame:
    """A row a contrast, overall, and one for each of its categories."""
    rows = []
    for one in found:
        named = {name: getattr(one, name) for name in CONTRAST_COLUMNS[:6]}
        parts = {"prompts": one.variance.prompts, "seeds": one.variance.seeds, "judge": one.variance.judge}
        tested = {name: getattr(one, name) for name in CONTRAST_COLUMNS[19:23]}
        tested |= {f"variance_{name}": value for name, value in parts.items()}
        rows.append(named | {"category": "overall"} | _difference(one.difference) | asdict(one.flips) | tested)
        for category, flips in one.flips_by_category.items():
            rows.append(named | {"category": category} | _difference(one.categories[category]) | asdict(flips))
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


def _difference(one: Estimate) -> dict[str, Any]:
    ends = {"difference": one.value, "low": one.low, "high": one.high, "se": one.se}
    return ends | {"prompts": one.prompts, "pairs": one.samples}


def _trend(one: Any) -> dict[str, Any]:
    arms = {"arms": " | ".join(one.arms), "over": one.over, "values": " ".join(f"{value:g}" for value in one.values)}
    return arms | _named("slope", one.slope) | {"p": one.p, "p_adjusted": one.p_adjusted, "family": one.family}


def _recipe(one: Replicates) -> dict[str, Any]:
    scores = {"scores": " ".join(map(repr, one.scores))}
    arms = {"recipe": one.name, "trainings": len(one.arms), "arms": " | ".join(one.arms)}
    return arms | scores | _named("mean", one.mean) | _named("deviation", one.deviation) | _shares(one.shares)


def _recipe_contrast(one: RecipeContrast) -> dict[str, Any]:
    tested = {name: getattr(one, name) for name in ("degrees", "p", "p_adjusted", "family", "assumed")}
    wide = {"everywhere_low": one.everywhere.low, "everywhere_high": one.everywhere.high}
    both = {"recipe": one.recipe, "against": one.against}
    return both | _difference(one.difference) | wide | tested | _shares(one.shares)


def _shares(one: Shares) -> dict[str, float]:
    return {f"variance_{name}": value for name, value in asdict(one).items()}


def _named(name: str, one: Estimate) -> dict[str, float]:
    return {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high, f"{name}_se": one.se}


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(list(rows))
    return frame.reindex(columns=[*columns, *(name for name in frame.columns if name not in columns)])
