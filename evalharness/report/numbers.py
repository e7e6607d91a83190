"""``results.json``: all numbers of a report for programs, in the shape of the LM Evaluation Harness's results.

What lm-eval calls a task is here ``BENCHMARK/ARM``, a group of one task a category, ``BENCHMARK/ARM/CATEGORY``; the
metric is ``score``. The keys that are lm-eval's (``results``, ``groups``, ``group_subtasks``, ``configs``,
``versions``, ``n-shot``, ``n-samples``, ``higher_is_better``, ``config``, ``git_hash``, ``date`` …, as its
``result_schema.py`` has them) mean what they mean there; ``info``, ``summary``, ``analysis``, ``cost`` and the rest are
this program's. ``samples/`` beside it has per-sample files as lm-eval writes them, ``samples_BENCHMARK_DATE.jsonl``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from evalharness.report.arms import records
from evalharness.report.gallery import plain
from evalharness.report.tables import Table, slug
from evalharness.results import Results
from evalharness.stats import RESAMPLES, Estimate

METRIC = "score"
COSTS = ("evaluations", "tokens", "seconds", "dollars")


def write_results(
    results: Results, tables: Sequence[Table], folder: Path, *, claims: Sequence[str] = (), judging: Any = None
) -> None:
    """Write ``results.json`` and ``samples/`` to a folder. JSON without NaN: what is not known is ``null``."""
    data = results_json(results, tables) | {
        "info": results.info,
        "claims": list(claims),
        "arms": records(results.arms),
        "summary": {table.benchmark: records(table.wide) for table in tables},
        "analysis": {table.benchmark: table.analysis.as_dict() for table in tables},
        "judging": judging or {},
        "cost": cost(results),
    }
    text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "samples").mkdir(exist_ok=True)
    date = _date(results.info).isoformat().replace(":", "-")
    for table in tables:
        name = f"samples_{slug(table.benchmark)}_{date}.jsonl"
        with (folder / "samples" / name).open("w", encoding="utf-8") as file:
            file.writelines(sample_lines(results, table.benchmark))


def results_json(results: Results, tables: Sequence[Table]) -> dict[str, Any]:
    """The keys that lm-eval has, too."""
    found: dict[str, dict[str, Any]] = {
        name: {} for name in ("results", "groups", "group_subtasks", "configs", "versions", "n-shot", "n-samples")
    }
    found |= {"higher_is_better": {}, "task_hashes": {}}
    for table in tables:
        about = results.info["benchmarks"][table.benchmark]
        settings = {row["arm"]: row for row in records(results.arms)}
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
                found["n-samples"][task] = _counts(results, table.benchmark, row, task.removeprefix(group).lstrip("/"))
                found["higher_is_better"][task] = {METRIC: True}
                found["task_hashes"][task] = str(about["prompt_digest"])
    return found | _circumstances(results)


def cost(results: Results) -> dict[str, Any]:
    """What the images of each arm took, and the judges' bills. Arms that share trajectories each count them whole."""
    drawn = results.samples[results.samples["state"].isin(["generated", "scored"])]
    totals = drawn.groupby("arm", sort=False)[list(COSTS)].sum()
    judges = {name: about["spent"] for name, about in results.info["benchmarks"].items() if about.get("spent")}
    return {"arms": {str(arm): row for arm, row in totals.to_dict("index").items()}, "judges": judges}


def sample_lines(results: Results, benchmark: str) -> Iterator[str]:
    """A line of JSON for each sample of a benchmark, whatever its state; ``score`` is ``null`` where it has none."""
    samples = results.samples[results.samples["benchmark"] == benchmark]
    documents: dict[str, str] = {}
    ids: dict[str, int] = {}
    columns = [samples[name].tolist() for name in _FIELDS]
    for values in zip(*columns, strict=True):
        row = dict(zip(_FIELDS, values, strict=True))
        item = str(row["item"])
        if item not in documents:
            ids[item] = len(ids)
            documents[item] = _document(ids[item], benchmark, row)
        yield documents[item] + _sample(row)


_FIELDS = (
    "item", "category", "prompt", "arm", "seed_index", "seed", "state", "score", "reason", "image", "trajectory",
    "score_key", "iterations", *COSTS,
)  # fmt: skip


def _document(number: int, benchmark: str, row: Mapping[str, Any]) -> str:
    """What all samples of a prompt have in common, as the beginning of a JSON object."""
    doc = {"benchmark": benchmark, "item": row["item"], "category": row["category"], "prompt": row["prompt"]}
    shared = {
        "doc_id": number,
        "doc": doc,
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": row["prompt"]}},
        "filter": "none",
        "metrics": [METRIC],
        "doc_hash": _hash(json.dumps(doc, ensure_ascii=False, indent=2)),
        "prompt_hash": _hash(str(row["prompt"])),
        "target_hash": _hash(""),
    }
    return json.dumps(plain(shared), ensure_ascii=False)[:-1] + ", "


def _sample(row: Mapping[str, Any]) -> str:
    image = row["image"] if isinstance(row["image"], str) else None
    scored = row["state"] == "scored"
    own = {
        "arm": row["arm"],
        "seed_index": row["seed_index"],
        "seed": row["seed"],
        "resps": [[image or ""]],
        "filtered_resps": [image or ""],
        METRIC: float(row["score"]) if scored else None,
        "state": row["state"],
        "reason": row["reason"] if isinstance(row["reason"], str) else "",
        "image": image,
        "trajectory": row["trajectory"] if isinstance(row["trajectory"], str) else None,
        "score_key": row["score_key"] if isinstance(row["score_key"], str) else None,
        "iterations": row["iterations"],
    }
    known = {
        name: None if value != value else value for name, value in (own | {cost: row[cost] for cost in COSTS}).items()
    }
    return json.dumps(known, ensure_ascii=False, allow_nan=False)[1:] + "\n"


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


def _counts(results: Results, benchmark: str, row: Mapping[str, Any], category: str) -> dict[str, int]:
    """``original`` and ``effective`` count prompts, as lm-eval counts documents; the others images."""
    own = results.samples[(results.samples["benchmark"] == benchmark) & (results.samples["arm"] == row["arm"])]
    own = own[own["category"] == category] if category else own
    limit = (results.info.get("limit") or {}).get(benchmark)
    prompts = int(own["item"].nunique())
    scored = row[f"category.{category}.scored"] if category else row["scored"]
    counted = {"effective": prompts, "samples": len(own), "scored": int(scored)}
    return ({} if limit and category else {"original": int(limit["of"]) if limit else prompts}) | counted


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


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
