"""The numbers of a run: for each benchmark a summary of its arms, never two benchmarks in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalharness.analysis import Analysis, Contrast, analyse, stats
from evalharness.analysis.arms import records
from evalharness.analysis.coverage import coverage
from evalharness.analysis.stats import Estimate
from evalharness.errors import EvalHarnessError
from evalharness.report import analysis_frames
from evalharness.report.cells import arm_score_text, category_score, overall_score, part_text
from evalharness.report.formatting import mean_text, p_text, points_text, short_digest, short_scorer
from evalharness.store.results import Results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Summary:
    """The tables of one benchmark.

    Attributes:
        benchmark: name of the benchmark.
        title: its name for people.
        wide: a row for each arm; NaN for a number that is not known. The columns of a category are ``category.NAME``,
            ``category.NAME.low``, ``category.NAME.high``, ``category.NAME.scored``, ``category.NAME.expected``; the
            first three are over what is scored.
        long: a row for each arm and quantity (``overall``, ``difference``, ``category.NAME``) with value, low, high.
        shown: a row for each arm, as text for people.
        quoted: published scores, if they were requested; never mixed with measured ones.
        analysis: what the tables were made from.
    """

    benchmark: str
    title: str
    wide: pd.DataFrame
    long: pd.DataFrame
    shown: pd.DataFrame
    quoted: pd.DataFrame
    analysis: Analysis

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The rows of the wide table by arm."""
        return {row["arm"]: row for row in records(self.wide)}

    def known_scores(self, arm: str) -> Mapping[str, Estimate]:
        """The scores of an arm by category, the overall one under ""; those that lack samples are left out."""
        known = self.analysis.known_scores(arm)
        return {name: estimate for name, estimate in known.items() if not math.isnan(estimate.value)}


def summarize(results: Results) -> list[Summary]:
    """A summary of each benchmark, in the order of the sweep file.

    Raises:
        EvalHarnessError: the run has no samples.
    """
    summaries = [_summary(results, analysis) for analysis in analyse(results).values()]
    if not summaries:
        raise EvalHarnessError("nothing to report: the run has no samples; check the benchmarks and arms of the sweep")
    return summaries


def benchmark_title(results: Results, benchmark: str) -> str:
    """A benchmark's name for people; it may add to the name, for instance whose rubric a judge used."""
    return str(results.info["benchmarks"][benchmark].get("title", benchmark))


def _summary(results: Results, analysis: Analysis) -> Summary:
    import pandas as pd

    benchmark, info = analysis.benchmark, results.info["benchmarks"][analysis.benchmark]
    samples = results.samples[results.samples["benchmark"] == benchmark]
    samples_by_arm = dict(list(samples.groupby("arm", sort=False)))
    provenance = {
        "benchmark": benchmark,
        "protocol": str(info["version"]),
        "prompt_set": f"{info['prompt_set']} {short_digest(info['prompt_digest'])}",
        "scorer": short_scorer(info["scorer"]),
    }
    rows = [
        _wide_row(arm, samples_by_arm[arm["arm"]], analysis, info) | provenance
        for arm in records(results.arms)
        if arm["arm"] in samples_by_arm
    ]
    wide = pd.DataFrame(rows).astype({"max_iterations": "Int64"})
    literature = [row for row in results.info.get("literature", ()) if row["benchmark"] == benchmark]
    categories = list(analysis.weights)
    return Summary(
        benchmark=benchmark,
        title=benchmark_title(results, benchmark),
        wide=wide,
        long=_long(wide, categories),
        shown=_shown(wide, categories),
        quoted=analysis_frames.quoted(literature),
        analysis=analysis,
    )


def _wide_row(
    arm: Mapping[str, Any], samples: pd.DataFrame, analysis: Analysis, info: Mapping[str, Any]
) -> dict[str, Any]:
    scores = analysis.scores[arm["arm"]]
    covered = coverage(samples, info)
    low, high = covered.bounds(analysis.weights)
    overall = analysis.known_scores(arm["arm"])[""]
    row: dict[str, Any] = {name: arm[name] for name in ("arm", "model", "variant", "max_iterations", "baseline")}
    row |= _interval("overall", overall) | {"overall_se": overall.se, "bound_low": low, "bound_high": high}
    row |= _difference(None if arm["baseline"] else analysis.contrast(arm["arm"]))
    for category, estimate in scores.categories.items():
        row |= _interval(f"category.{category}", estimate, separator=".")
        scored, expected = covered.by_category[category]
        row |= {f"category.{category}.scored": scored, f"category.{category}.expected": expected}
    row |= {"scored": covered.scored, "expected": covered.expected, "coverage": covered.text}
    row |= {"prompts": scores.prompts, "failed": int((samples["state"] == "failed").sum())}
    drawn = samples[samples["state"].isin(["generated", "scored"])]
    return row | {name: float(drawn[name].astype(float).mean()) for name in ("evaluations", "tokens", "seconds")}


def _difference(contrast: Contrast | None) -> dict[str, Any]:
    """The paired difference to the baseline arm, over the samples that both have."""
    difference = contrast.difference if contrast else stats.Estimate(math.nan)
    return _interval("difference", difference) | {
        "difference_se": difference.se,
        "p": contrast.p if contrast else math.nan,
        "p_adjusted": contrast.p_adjusted if contrast else math.nan,
        "confirmatory": bool(contrast and contrast.preregistered),
        "told_apart": bool(contrast and contrast.significant),
        "detectable": contrast.detectable if contrast else math.nan,
        "fixed": contrast.flips.fixed if contrast else 0,
        "broken": contrast.flips.broken if contrast else 0,
        "pairs": difference.samples,
        "paired_prompts": difference.prompts,
    }


def _interval(name: str, estimate: stats.Estimate, separator: str = "_") -> dict[str, float]:
    return {name: estimate.value, f"{name}{separator}low": estimate.low, f"{name}{separator}high": estimate.high}


def _long(wide: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    import pandas as pd

    arm_columns = ["benchmark", "arm", "model", "variant", "max_iterations", "baseline"]
    count_columns = ["bound_low", "bound_high", "scored", "expected", "failed", "evaluations", "tokens", "seconds"]
    count_columns += ["protocol", "prompt_set", "scorer"]
    quantities = [("overall", "_"), ("difference", "_"), *((f"category.{name}", ".") for name in categories)]
    parts = []
    for name, separator in quantities:
        part = wide[arm_columns].assign(quantity=name, value=wide[name])
        part = part.assign(low=wide[f"{name}{separator}low"], high=wide[f"{name}{separator}high"])
        counts = wide[count_columns]
        if separator == ".":
            counts = counts.assign(scored=wide[f"{name}.scored"], expected=wide[f"{name}.expected"])
        parts.append(part.join(counts))
    return pd.concat(parts, ignore_index=True)


def _shown(wide: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for row in records(wide):
        text = {
            "arm": row["arm"],
            "overall": arm_score_text(overall_score(row)),
            "difference to baseline": "baseline",
            "p": "",
        }
        if not row["baseline"]:
            difference = (row[name] for name in ("difference", "difference_low", "difference_high"))
            text |= {"difference to baseline": points_text(*difference), "p": p_text(row["p_adjusted"])}
        for name in categories:
            text[name] = part_text(*category_score(row, name))
        text |= {
            "scored": row["coverage"],
            "failed": str(row["failed"]),
            "evaluations": mean_text(row["evaluations"]),
            "tokens": mean_text(row["tokens"]),
            "seconds": mean_text(row["seconds"], 2),
        }
        rows.append(text | {name: row[name] for name in ("protocol", "prompt_set", "scorer")})
    return pd.DataFrame(rows)
