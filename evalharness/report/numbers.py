"""``results.json``: all numbers of a report for programs, in the shape of the LM Evaluation Harness's results.

What lm-eval calls a task is here ``BENCHMARK/ARM``, a group of one task a category, ``BENCHMARK/ARM/CATEGORY``; the
metric is ``score``. The keys that are lm-eval's (``results``, ``groups``, ``group_subtasks``, ``configs``,
``versions``, ``n-shot``, ``n-samples``, ``higher_is_better``, ``config``, ``git_hash``, ``date`` …, as its
``result_schema.py`` has them) mean what they mean there; ``info``, ``summary``, ``analysis``, ``cost`` and the rest are
this program's. ``samples/`` beside it has per-sample files as lm-eval writes them, ``samples_BENCHMARK_DATE.jsonl``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from evalharness.analysis.arms import records
from evalharness.analysis.stats import RESAMPLES, Estimate
from evalharness.report.lines import COSTS, METRIC, sample_lines
from evalharness.report.provenance import model_seconds
from evalharness.report.sheets import plain
from evalharness.report.tables import Table, slug
from evalharness.store.results import Results


def write_results(
    results: Results,
    tables: Sequence[Table],
    folder: Path,
    *,
    claims: Mapping[str, Sequence[Any]] | None = None,
    judging: Any = None,
    samples: bool = True,
) -> None:
    """Write ``results.json`` and, if wanted, ``samples/``. JSON without NaN: what is not known is ``null``.

    ``claims``: those of each benchmark, the most important first.
    """
    said = claims or {}
    data = results_json(results, tables) | {
        "info": results.info,
        "claims": [str(claim) for own in said.values() for claim in own],
        "headline": {benchmark: str(own[0]) for benchmark, own in said.items() if own},
        "arms": records(results.arms),
        "summary": {table.benchmark: records(table.wide) for table in tables},
        "analysis": {table.benchmark: table.analysis.as_dict() for table in tables},
        "judging": judging or {},
        "cost": cost(results),
    }
    text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    if not samples:
        return
    (folder / "samples").mkdir(exist_ok=True)
    date = _date(results.info).isoformat().replace(":", "-")
    for table in tables:
        name = f"samples_{slug(table.benchmark)}_{date}.jsonl"
        with (folder / "samples" / name).open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(sample_lines(results.samples, table.benchmark))


def write_samples(results: Results, folder: Path) -> None:
    """``BENCHMARK-samples.parquet``: a row a sample, of all; without the store's keys, which say nothing without it."""
    for benchmark, own in results.samples.groupby("benchmark", sort=False):
        rows = own.drop(columns=["benchmark", "trajectory", "score_key"])
        rows.to_parquet(folder / f"{slug(str(benchmark))}-samples.parquet", index=False, compression="zstd")


def results_json(results: Results, tables: Sequence[Table]) -> dict[str, Any]:
    """The keys that lm-eval has, too."""
    found: dict[str, dict[str, Any]] = {
        name: {} for name in ("results", "groups", "group_subtasks", "configs", "versions", "n-shot", "n-samples")
    }
    found |= {"higher_is_better": {}, "task_hashes": {}}
    for table in tables:
        about = results.info["benchmarks"][table.benchmark]
        settings = {row["arm"]: row for row in records(results.arms)}
        counts = _counts(results, table.benchmark)
        for row in records(table.wide):
            group, tasks = f"{table.benchmark}/{row['arm']}", []
            scores = table.analysis.scores[row["arm"]]
            complete = not math.isnan(row["overall"])
            overall = scores.overall if complete else Estimate(math.nan)
            found["groups"][group] = _metrics(group, overall, row["scored"])
            found["results"][group] = found["groups"][group]
            for category, estimate in scores.categories.items():
                task = f"{group}/{category}"
                tasks.append(task)
                found["results"][task] = _metrics(task, estimate, row[f"category.{category}.scored"])
            found["group_subtasks"][group] = tasks
            for task in (group, *tasks):
                found["configs"][task] = _config(results, table.benchmark, settings[row["arm"]])
                found["versions"][task] = str(about["version"])
                found["n-shot"][task] = 0
                category = task.removeprefix(group).lstrip("/")
                scored = row[f"category.{category}.scored"] if category else row["scored"]
                found["n-samples"][task] = counts.get((row["arm"], category), {}) | {"scored": int(scored)}
                found["higher_is_better"][task] = {METRIC: True}
                found["task_hashes"][task] = str(about["prompt_digest"])
    return found | _circumstances(results)


def cost(results: Results) -> dict[str, Any]:
    """What the images of each arm took, and the judges' bills. Arms that share trajectories each count them whole,
    ``model_seconds`` counts them once.
    """
    drawn = results.samples[results.samples["state"].isin(["generated", "scored"])]
    totals = drawn.groupby("arm", sort=False)[list(COSTS)].sum()
    judges = {name: about["spent"] for name, about in results.info["benchmarks"].items() if about.get("spent")}
    arms = {str(arm): row for arm, row in totals.to_dict("index").items()}
    return {"arms": arms, "judges": judges, "model_seconds": round(model_seconds(results), 1)}


def _metrics(task: str, found: Estimate, samples: int) -> dict[str, Any]:
    error = "N/A" if math.isnan(found.se) else found.se
    return {
        "name": task,
        "alias": task,
        "sample_len": int(samples),
        f"{METRIC},none": found.value,
        f"{METRIC}_stderr,none": error,
    }


def _config(results: Results, benchmark: str, arm: Mapping[str, Any]) -> dict[str, Any]:
    about = results.info["benchmarks"][benchmark]
    names = ("version", "prompt_set", "prompt_digest", "scorer", "weights", "items", "samples")
    return {
        "task": benchmark,
        "arm": arm["arm"],
        "model": arm["model"],
        "variant": json.loads(arm["settings"]),
        "output_type": "generate_until",
        "metadata": {name: about[name] for name in names},
    }


def _counts(results: Results, benchmark: str) -> dict[tuple[str, str], dict[str, int]]:
    """By arm and category, "" for all. ``original`` and ``effective`` count prompts, as lm-eval counts documents."""
    own = results.samples[results.samples["benchmark"] == benchmark]
    limit = (results.info.get("limit") or {}).get(benchmark)
    parts = own.groupby(["arm", "category"], sort=False).agg(prompts=("item", "nunique"), samples=("item", "size"))
    found: dict[tuple[str, str], dict[str, int]] = {}
    rows: Mapping[Any, Mapping[Any, Any]] = parts.to_dict("index")
    for (arm, category), row in rows.items():
        counted = {"effective": int(row["prompts"]), "samples": int(row["samples"])}
        found[arm, category] = ({} if limit else {"original": counted["effective"]}) | counted
        total = found.setdefault((arm, ""), {"original": 0, "effective": 0, "samples": 0})
        total["effective"] += counted["effective"]
        total["samples"] += counted["samples"]
        total["original"] = int(limit["of"]) if limit else total["effective"]
    return found


def _circumstances(results: Results) -> dict[str, Any]:
    info = results.info
    versions = info.get("versions") or {}
    models = info.get("models") or {}
    return {
        "config": {
            "model": ", ".join(models),
            "model_args": dict(models),
            "batch_size": None,
            "device": info.get("hardware"),
            "limit": info.get("limit"),
            "bootstrap_iters": RESAMPLES,
            "random_seed": info.get("seed"),
        },
        "git_hash": info.get("git_commit"),
        "date": _date(info).timestamp(),
        "pretty_env_info": "\n".join(
            [*(f"{name} {version}" for name, version in versions.items()), str(info.get("hardware", ""))]
        ),
        "transformers_version": versions.get("transformers"),
        "model_source": "evalharness",
        "model_name": ", ".join(models),
        "total_evaluation_time_seconds": str(info.get("wall_seconds", "")),
    }


def _date(info: Mapping[str, Any]) -> datetime:
    """When the run was started; a run that does not say is of the beginning of time."""
    try:
        return datetime.fromisoformat(str(info.get("started")))
    except ValueError:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")
