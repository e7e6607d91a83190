"""The results of a run as records of Every Eval Ever 0.3 (arXiv 2606.14516), which collects evaluations of all kinds.

``data/BENCHMARK/DEVELOPER/MODEL/UUID.json`` has the scores of an arm on a benchmark with their uncertainty, overall and
by category, and ``UUID_samples.jsonl`` a line for every scored sample; an image stands there as its digest. A score
that is not known, since samples are missing, is left out, and so are samples without a score.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalharness._util.hashing import canonical, digest
from evalharness.analysis.arms import records
from evalharness.analysis.stats import CONFIDENCE, Estimate
from evalharness.report.formatting import slug
from evalharness.report.sample_files import start
from evalharness.report.summary import Summary, summarize
from evalharness.store.results import Results
from evalharness.types.score import is_right

VERSION = "0.3.0"
ERROR = "clustered by prompt"
INTERVAL = "score interval with images of a prompt counted as fewer where they are alike, over prompts"
Relationship = Literal["first_party", "third_party", "collaborative", "other"]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Who evaluated: the organization, its relationship to the model, and when the records are made (Unix time)."""

    organization: str = "unknown"
    relationship: Relationship = "other"
    time: float = 0.0


def write_records(results: Results, folder: Path, evaluator: Evaluator, arms: Iterable[str] = ()) -> int:
    """Write the records of a run into a folder; returns how many there are.

    Args:
        results: the run's results.
        folder: where ``data/`` is made.
        evaluator: who evaluated.
        arms: the arms; all of them by default.
    """
    wanted, count = set(arms), 0
    for summary in summarize(results):
        for arm in records(results.arms):
            if arm["arm"] in summary.rows and (not wanted or arm["arm"] in wanted):
                _write(results, summary, arm, folder, evaluator)
                count += 1
    return count


def _write(results: Results, summary: Summary, arm: Mapping[str, Any], folder: Path, evaluator: Evaluator) -> None:
    developer, model = _model_id(str(arm["model"]))
    name = str(_uuid([results.info["name"], results.info.get("started"), summary.benchmark, arm["arm"]]))
    path = Path("data") / slug(summary.benchmark) / developer / model
    evaluation = f"{summary.benchmark}/{developer}_{model}/{evaluator.time:.0f}"
    lines = "".join(
        json.dumps(line) + "\n" for line in _samples(results, summary, arm["arm"], evaluation, f"{developer}/{model}")
    )
    record = {
        "schema_version": VERSION,
        "evaluation_id": evaluation,
        "evaluation_timestamp": f"{start(results.info).timestamp():.0f}",
        "retrieved_timestamp": f"{evaluator.time:.0f}",
        "source_metadata": {
            "source_name": "evalharness",
            "source_type": "evaluation_run",
            "source_organization_name": evaluator.organization,
            "evaluator_relationship": evaluator.relationship,
        },
        "eval_library": {
            "name": "evalharness",
            "version": str((results.info.get("versions") or {}).get("evalharness", "unknown")),
            "additional_details": _texts({"git_commit": results.info.get("git_commit")}),
        },
        "model_info": {
            "name": str(arm["model"]),
            "id": f"{developer}/{model}",
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": "unknown",
                **_texts({"arm": arm["arm"], "identity": (results.info.get("models") or {}).get(arm["model"])}),
            },
        },
        "evaluation_results": [
            _result(results, summary, arm, name, estimate)
            for name, estimate in summary.known_scores(arm["arm"]).items()
        ],
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": (path / f"{name}_samples.jsonl").as_posix(),
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(lines.encode()).hexdigest(),
            "total_rows": lines.count("\n"),
        },
    }
    (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / path / f"{name}.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / path / f"{name}_samples.jsonl").write_text(lines, encoding="utf-8")


def _result(
    results: Results, summary: Summary, arm: Mapping[str, Any], category: str, estimate: Estimate
) -> dict[str, Any]:
    info = results.info["benchmarks"][summary.benchmark]
    row = summary.rows[arm["arm"]]
    prefix = f"category.{category}." if category else ""
    return {
        "evaluation_result_id": _result_id(summary, arm["arm"], category),
        "evaluation_name": _name(summary, category),
        "source_data": {
            "dataset_name": summary.benchmark,
            "source_type": "other",
            "additional_details": _texts(
                {
                    "prompt_set": info["prompt_set"],
                    "prompt_digest": info["prompt_digest"],
                    "prompts": info["items"],
                    "images_per_prompt": info["samples"],
                }
            ),
        },
        "metric_config": {
            "evaluation_description": f"{summary.title}: share of right images, or mean of graded scores"
            + (f", category {category}" if category else ", weighted over categories"),
            "metric_id": f"{slug(summary.benchmark)}.score",
            "metric_name": "score",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
            "additional_details": _texts({"scorer": info["scorer"], "protocol": info["version"]}),
        },
        "score_details": {
            "score": estimate.value,
            "details": _texts({"scored": row[f"{prefix}scored"], "expected": row[f"{prefix}expected"]}),
            "uncertainty": _uncertainty(estimate),
        },
        "generation_config": {
            "additional_details": _texts(
                {
                    "arm": arm["arm"],
                    "variant": arm["variant"],
                    "settings": arm["settings"],
                    "seed": results.info["seed"],
                }
            )
        },
    }


def _uncertainty(estimate: Estimate) -> dict[str, Any]:
    uncertainty: dict[str, Any] = {"num_samples": estimate.samples}
    if not math.isnan(estimate.se):
        uncertainty["standard_error"] = {"value": estimate.se, "method": ERROR}
    if not math.isnan(estimate.low):
        ends = {"lower": estimate.low, "upper": estimate.high}
        uncertainty["confidence_interval"] = {**ends, "confidence_level": CONFIDENCE, "method": INTERVAL}
    return uncertainty


def _samples(results: Results, summary: Summary, arm: str, evaluation: str, model: str) -> Iterator[dict[str, Any]]:
    samples = results.samples
    chosen = samples[(samples["benchmark"] == summary.benchmark) & (samples["arm"] == arm)]
    known = summary.known_scores(arm)
    for row in records(chosen[(chosen["state"] == "scored") & chosen["image"].notna()]):
        prompt, image = str(row["prompt"]), f"sha256:{row['image']}"
        yield {
            "schema_version": VERSION,
            "evaluation_id": evaluation,
            "model_id": model,
            "evaluation_name": _name(summary, row["category"]),
            **({"evaluation_result_id": _result_id(summary, arm, row["category"])} if row["category"] in known else {}),
            "sample_id": f"{row['item']}/{row['seed_index']}",
            "sample_hash": hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest(),
            "interaction_type": "single_turn",
            "input": {"raw": prompt, "reference": []},
            "output": {"raw": [image]},
            "messages": None,
            "answer_attribution": [
                {
                    "turn_idx": 0,
                    "source": "output.raw",
                    "extracted_value": image,
                    "extraction_method": "custom",
                    "is_terminal": True,
                }
            ],
            "evaluation": {"score": float(row["score"]), "is_correct": is_right(float(row["score"]))},
            "performance": {"generation_time_ms": round(1000 * float(row["seconds"]), 3)},
            "metadata": _texts(
                {name: row[name] for name in ("category", "seed", "reason", "iterations", "evaluations", "tokens")}
            ),
        }


def _name(summary: Summary, category: str) -> str:
    return f"{summary.benchmark}/{category}" if category else summary.benchmark


def _result_id(summary: Summary, arm: str, category: str) -> str:
    return f"{summary.benchmark}/{arm}/{category or 'overall'}"


def _model_id(alias: str) -> tuple[str, str]:
    """Developer and model, as names of folders."""
    developer, _, model = alias.rpartition("/")
    return slug(developer) if developer else "unknown", slug(model)


def _uuid(parts: list[Any]) -> uuid.UUID:
    """A UUID in the form of version 4 that follows from what it names: the same run has the same again."""
    return uuid.UUID(bytes=bytes.fromhex(digest(parts))[:16], version=4)


def _texts(details: Mapping[str, Any]) -> dict[str, str]:
    """The known details, all as text."""
    return {
        name: value if isinstance(value, str) else canonical(value) if isinstance(value, Mapping) else f"{value}"
        for name, value in details.items()
        if value is not None
    }
