"""Checks the needs of a sweep file: the weights of models and scorers, judges, and disk space for images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalharness.api.benchmark import JudgeScorer
from evalharness.api.model import Interleaver, RemoteImageModel
from evalharness.config.schema import PluginSpec, Sweep
from evalharness.doctor.check_result import CheckResult, ok
from evalharness.doctor.scorer_check import describe_identity
from evalharness.planning.plan import Job
from evalharness.planning.planner import make_plan

BYTES_PER_PIXEL = 2
"""Approximate size of the PNG file of a photograph."""
DEFAULT_SIZE = (1024, 1024)
"""Assumed width and height in pixels of the images of a model whose settings do not give them."""


def check_model(alias: str, spec: PluginSpec) -> Iterator[CheckResult]:
    """Check that the model's weights exist and can be digested, or that its endpoint answers."""
    check_model = spec.build()
    yield ok(f"model {alias}", describe_identity(check_model.identity()))
    yield from _check_endpoint(f"model {alias}", check_model)


def check_scorer(spec: PluginSpec) -> Iterator[CheckResult]:
    """Check the same for a benchmark's scorer and its judge."""
    check_scorer = spec.build().scorer()
    yield ok(f"scorer {spec.name}", describe_identity(check_scorer.identity()) or "ready")
    yield from _check_endpoint(f"judge {spec.name}", check_scorer)


def _check_endpoint(name: str, plugin: Any) -> Iterator[CheckResult]:
    plugin.reachable()
    if isinstance(plugin, RemoteImageModel | JudgeScorer):
        yield ok(name, "answers")


def estimate_image_bytes(sweep: Sweep) -> float:
    """Estimate the disk space for the images of a sweep in bytes.

    Raises:
        EvalHarnessError: the sweep cannot be planned.
    """
    sizes = {alias: _image_bytes(spec.build()) for alias, spec in sweep.models.items()}
    jobs = make_plan(sweep).jobs.values()
    return sum(_max_images(job) * sizes[job.model] for job in jobs)


def _max_images(job: Job) -> int:
    """Upper bound of the images of a trajectory."""
    return job.variant.drawings


def _image_bytes(check_model: Any) -> float:
    canvas = check_model.blank() if isinstance(check_model, Interleaver) else None
    width, height = canvas.size if canvas is not None else DEFAULT_SIZE
    return BYTES_PER_PIXEL * width * height
