"""The results of a run as ``model-index``, the part of a model card that the Hugging Face Hub reads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evalharness.analysis.arms import records
from evalharness.analysis.stats import Estimate
from evalharness.report.formatting import slug
from evalharness.report.summary import summarize
from evalharness.store.results import Results

TASK = "text-to-image"


def write_model_index(results: Results, folder: Path, arms: Iterable[str] = ()) -> int:
    """Write ``MODEL.yaml`` for each model, whose text goes into the header of its card; returns how many there are.

    A result is an arm on a benchmark; its metrics are the overall score and the scores of categories, each left out
    where samples are missing.
    """
    import yaml

    found = model_indices(results, arms)
    for model, index in found.items():
        text = yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=120)
        (folder / f"{slug(model)}.yaml").write_text(text, encoding="utf-8")
    return len(found)


def model_indices(results: Results, arms: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """The ``model-index`` of each model."""
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    wanted = set(arms)
    by_model: defaultdict[str, list[EvalResult]] = defaultdict(list)
    for summary in summarize(results):
        info = results.info["benchmarks"][summary.benchmark]
        for arm in records(results.arms):
            if arm["arm"] not in summary.rows or (wanted and arm["arm"] not in wanted):
                continue
            by_model[arm["model"]] += [
                EvalResult(
                    task_type=TASK,
                    dataset_type=summary.benchmark,
                    dataset_name=summary.title,
                    dataset_config=str(arm["arm"]),
                    dataset_revision=str(info["prompt_digest"]),
                    dataset_args={"prompts": int(info["items"]), "images_per_prompt": int(info["samples"])},
                    metric_type="score",
                    metric_name=f"{summary.title}, {name.replace('_', ' ') or 'overall'}",
                    metric_value=round(estimate.value, 6),
                    metric_args=_uncertainty(estimate),
                )
                for name, estimate in summary.known_scores(arm["arm"]).items()
            ]
    return {model: eval_results_to_model_index(model, found) for model, found in by_model.items()}


def _uncertainty(estimate: Estimate) -> dict[str, Any]:
    """The standard error and the 95 % interval, as far as they are known, and the number of images."""
    numbers = {"standard_error": estimate.se, "low": estimate.low, "high": estimate.high}
    known = {name: round(float(value), 6) for name, value in numbers.items() if not math.isnan(value)}
    return known | {"samples": int(estimate.samples)}
