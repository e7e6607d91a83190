"""What a tracker is given of a run: numbers with their intervals, settings, and a few pictures of each arm."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalharness.analysis.arms import records, settings_of
from evalharness.analysis.stats import Estimate
from evalharness.api.tracker import TrackedArm, TrackedImage
from evalharness.report.formatting import short_scorer
from evalharness.report.summary import Summary, summarize
from evalharness.report.verdicts import verdict
from evalharness.store.results import Results

IMAGES = 8
"""Pictures of an arm on each benchmark: those of the first prompts, one each."""


def tracked_arms(results: Results) -> Iterator[TrackedArm]:
    """The arms of a run as a tracker keeps them. An unknown number, such as an incomplete score, is left out."""
    summaries = summarize(results)
    for arm in records(results.arms):
        of_arm = [summary for summary in summaries if arm["arm"] in summary.rows]
        metrics = {name: value for summary in of_arm for name, value in _metrics(summary, arm["arm"])}
        yield TrackedArm(
            name=str(arm["arm"]),
            group=str(results.info["name"]),
            config=_config(results, arm, of_arm),
            metrics={name: float(value) for name, value in metrics.items() if not math.isnan(value)},
            images={
                f"{summary.benchmark}/images": _images(results, summary.benchmark, arm["arm"]) for summary in of_arm
            },
        )


def _config(results: Results, arm: Mapping[str, Any], summaries: Sequence[Summary]) -> dict[str, Any]:
    info = results.info
    return {
        "model": arm["model"],
        "variant": arm["variant"],
        **settings_of(arm),
        "seed": info["seed"],
        "identity": (info.get("models") or {}).get(arm["model"]),
        "git_commit": info.get("git_commit"),
        "started": info.get("started"),
        "benchmarks": {
            summary.benchmark: {
                "prompt_set": info["benchmarks"][summary.benchmark]["prompt_set"],
                "prompts": info["benchmarks"][summary.benchmark]["items"],
                "images_per_prompt": info["benchmarks"][summary.benchmark]["samples"],
                "scorer": short_scorer(info["benchmarks"][summary.benchmark]["scorer"]),
            }
            for summary in summaries
        },
    }


def _metrics(summary: Summary, arm: str) -> Iterator[tuple[str, float]]:
    row, prefix = summary.rows[arm], summary.benchmark
    for name, estimate in summary.known_scores(arm).items():
        if name:
            yield f"{prefix}/{name}", estimate.value
        else:
            yield from _estimate(f"{prefix}/score", estimate)
    if (contrast := summary.analysis.contrast(arm)) is not None:
        yield from _estimate(f"{prefix}/difference", contrast.difference)
    if (diversity := summary.analysis.diversity.arms.get(arm)) is not None:
        yield from _estimate(f"{prefix}/diversity", diversity.value)
    for name in ("scored", "expected", "failed", "evaluations", "tokens", "seconds"):
        yield f"{prefix}/{name}", row[name]


def _estimate(name: str, estimate: Estimate) -> Iterator[tuple[str, float]]:
    yield name, estimate.value
    yield f"{name}_low", estimate.low
    yield f"{name}_high", estimate.high


def _images(results: Results, benchmark: str, arm: str) -> list[TrackedImage]:
    samples = results.samples
    chosen = samples[(samples["benchmark"] == benchmark) & (samples["arm"] == arm) & samples["image"].notna()]
    images = []
    for row in records(chosen.drop_duplicates("item").head(IMAGES)):
        path = results.image_path(row["image"])
        if path.is_file():
            images.append(TrackedImage(path, f"{row['prompt']} – {verdict(row['state'], float(row['score'])).words}"))
    return images
