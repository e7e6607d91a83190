"""``results.json``: all numbers of a report for programs, in the shape of the LM Evaluation Harness's results.

In lm-eval's terms, ``BENCHMARK/ARM`` is a group with a task for each category, ``BENCHMARK/ARM/CATEGORY``; the metric
is ``score``. The keys that are lm-eval's (``results``, ``groups``, ``group_subtasks``, ``configs``,
``versions``, ``n-shot``, ``n-samples``, ``higher_is_better``, ``config``, ``git_hash``, ``date`` …, as its
``result_schema.py`` has them) mean what they mean there; ``info``, ``summary``, ``analysis``, ``cost`` and the rest are
this program's. ``samples/`` has lm-eval's files with a line for every sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalharness.analysis.arms import records, settings_of
from evalharness.analysis.stats import Estimate
from evalharness.report.json_values import compact_json, pretty_json
from evalharness.report.part_costs import part_costs
from evalharness.report.provenance import model_seconds
from evalharness.report.sample_files import COSTS, METRIC, start
from evalharness.report.summary import Summary
from evalharness.store.results import Results

TABLES = (
    "results",
    "groups",
    "group_subtasks",
    "configs",
    "versions",
    "n-shot",
    "n-samples",
    "higher_is_better",
    "task_hashes",
)
"""lm-eval's keys that hold an entry for each task or group."""
TASK_CONFIG = ("task", "arm", "output_type")
"""The part of an arm's config that the tasks of its categories have as well."""


def write_results(
    results: Results,
    summaries: Sequence[Summary],
    folder: Path,
    *,
    claims: Mapping[str, Sequence[Any]] | None = None,
    judging: Any = None,
    indent: bool = True,
) -> None:
    """Write ``results.json``. It contains no NaN: an unknown number is ``null``.

    Args:
        results: the run's results.
        summaries: the tables of its benchmarks.
        folder: the report's folder.
        claims: the claims about each benchmark, the most important first.
        judging: what is known of each benchmark's judge.
        indent: whether to write each value on a line of its own, for people.
    """
    claims = claims or {}
    data = results_json(results, summaries) | {
        "info": results.info,
        "claims": [str(claim) for benchmark in claims.values() for claim in benchmark],
        "headline": {name: [str(claim) for claim in benchmark] for name, benchmark in claims.items() if benchmark},
        "arms": records(results.arms),
        "summary": {summary.benchmark: list(summary.rows.values()) for summary in summaries},
        "analysis": {summary.benchmark: summary.analysis.as_dict() for summary in summaries},
        "judging": judging or {},
        "cost": cost(results),
        "failures": failures(results),
        "suspect_images": [asdict(counts) for counts in results.suspect_images],
    }
    text = pretty_json(data) if indent else compact_json(data)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")


def results_json(results: Results, summaries: Sequence[Summary]) -> dict[str, Any]:
    """The part of the data whose keys are lm-eval's."""
    tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    settings = {row["arm"]: row for row in records(results.arms)}
    for summary in summaries:
        counts = _counts(results, summary.benchmark)
        for row in summary.rows.values():
            _add_arm(tables, results, summary, row, settings[row["arm"]], counts)
    return tables | _circumstances(results)


def _add_arm(
    tables: dict[str, dict[str, Any]],
    results: Results,
    summary: Summary,
    row: Mapping[str, Any],
    arm: Mapping[str, Any],
    counts: Mapping[tuple[str, str], Mapping[str, int]],
) -> None:
    """Add an arm's group and its tasks, one for each category."""
    info = results.info["benchmarks"][summary.benchmark]
    scores = summary.analysis.known_scores(arm["arm"])
    group = f"{summary.benchmark}/{arm['arm']}"
    tables["results"][group] = tables["groups"][group] = _metrics(group, scores.pop(""), row["scored"])
    scored = {"": row["scored"]}
    for category, estimate in scores.items():
        scored[category] = row[f"category.{category}.scored"]
        tables["results"][f"{group}/{category}"] = _metrics(f"{group}/{category}", estimate, scored[category])
    tables["group_subtasks"][group] = [f"{group}/{category}" for category in scores]
    config = _config(info, summary.benchmark, arm)
    # A category's task has its arm's settings; repeated, they would be half of the file.
    task_config = {name: config[name] for name in TASK_CONFIG}
    for category, count in scored.items():
        task = f"{group}/{category}" if category else group
        tables["configs"][task] = task_config if category else config
        tables["versions"][task] = str(info["version"])
        tables["n-shot"][task] = 0
        tables["n-samples"][task] = {**counts.get((arm["arm"], category), {}), "scored": int(count)}
        tables["higher_is_better"][task] = {METRIC: True}
        tables["task_hashes"][task] = str(info["prompt_digest"])


def cost(results: Results) -> dict[str, Any]:
    """The costs of each arm's images, of the parts of its model if it is made of several, and of the judges.

    A trajectory that arms share counts in full for each of them, but once in ``model_seconds``.
    """
    drawn = results.samples[results.samples["state"].isin(["generated", "scored"])]
    totals = drawn.groupby("arm", sort=False)[list(COSTS)].sum()
    judges = {name: info["spent"] for name, info in results.info["benchmarks"].items() if info.get("spent")}
    arms = {str(arm): row for arm, row in totals.to_dict("index").items()}
    parts = part_costs(results)
    return {
        "arms": arms,
        **({"parts": parts} if parts else {}),
        "judges": judges,
        "model_seconds": round(model_seconds(results), 1),
    }


def failures(results: Results) -> list[dict[str, Any]]:
    """The failed samples, counted by benchmark, kind, exception, machine and device; ``attempt`` is the largest."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for row, failure in results.failures.items():
        benchmark = str(results.samples.at[row, "benchmark"])
        key = (benchmark, failure.kind, failure.exception, failure.host, failure.device)
        names = ("benchmark", "kind", "exception", "host", "device")
        first = {**dict(zip(names, key, strict=True)), "reason": failure.reason, "attempt": 0, "samples": 0}
        group = groups.setdefault(key, first)
        group["samples"] += 1
        group["attempt"] = max(group["attempt"], failure.attempt)
    return sorted(groups.values(), key=lambda group: -group["samples"])


def _metrics(task: str, estimate: Estimate, samples: int) -> dict[str, Any]:
    return {
        "name": task,
        "alias": task,
        "sample_len": int(samples),
        f"{METRIC},none": estimate.value,
        f"{METRIC}_stderr,none": "N/A" if math.isnan(estimate.se) else estimate.se,
    }


def _config(info: Mapping[str, Any], benchmark: str, arm: Mapping[str, Any]) -> dict[str, Any]:
    names = ("version", "prompt_set", "prompt_digest", "scorer", "weights", "items", "samples")
    return {
        "task": benchmark,
        "arm": arm["arm"],
        "model": arm["model"],
        "variant": settings_of(arm),
        "output_type": "generate_until",
        "metadata": {name: info[name] for name in names},
    }


def _counts(results: Results, benchmark: str) -> dict[tuple[str, str], dict[str, int]]:
    """Prompts and samples by arm and category, with "" for all categories.

    ``original`` and ``effective`` count prompts, as lm-eval counts documents: before and after the limit.
    """
    samples = results.samples[results.samples["benchmark"] == benchmark]
    limit = (results.info.get("limit") or {}).get(benchmark)
    groups = samples.groupby(["arm", "category"], sort=False).agg(prompts=("item", "nunique"), samples=("item", "size"))
    counts: dict[tuple[str, str], dict[str, int]] = {}
    rows: Mapping[Any, Mapping[Any, Any]] = groups.to_dict("index")
    for (arm, category), row in rows.items():
        prompts, drawn = int(row["prompts"]), int(row["samples"])
        # Only the whole benchmark's number of prompts is known before a limit, not that of a category.
        counts[arm, category] = {} if limit else {"original": prompts}
        counts[arm, category] |= {"effective": prompts, "samples": drawn}
        total = counts.setdefault((arm, ""), {"original": 0, "effective": 0, "samples": 0})
        total["effective"] += prompts
        total["samples"] += drawn
        total["original"] = int(limit["of"]) if limit else total["effective"]
    return counts


def _circumstances(results: Results) -> dict[str, Any]:
    """What lm-eval records of a run."""
    info = results.info
    versions = info.get("versions") or {}
    models = info.get("models") or {}
    environment = [*(f"{name} {version}" for name, version in versions.items()), str(info.get("hardware", ""))]
    return {
        "config": {
            "model": ", ".join(models),
            "model_args": dict(models),
            "batch_size": None,
            "device": info.get("hardware"),
            "limit": info.get("limit"),
            "bootstrap_iters": 0,
            "random_seed": info.get("seed"),
        },
        "git_hash": info.get("git_commit"),
        "date": start(info).timestamp(),
        "pretty_env_info": "\n".join(environment),
        "transformers_version": versions.get("transformers"),
        "model_source": "evalharness",
        "model_name": ", ".join(models),
        "total_evaluation_time_seconds": str(info.get("wall_seconds", "")),
    }
