"""Checks the needs of a sweep file: the weights of models and scorers, judges, and disk space for images."""

from __future__ import annotations

from collections.abc import Iterator

from evalharness.api.model import RemoteImageModel
from evalharness.config.schema import PluginSpec, Sweep
from evalharness.doctor.check_result import CheckResult, ok
from evalharness.doctor.judge_check import ask_judges
from evalharness.doctor.scorer_check import describe_identity
from evalharness.planning.image_sizes import BYTES_PER_PIXEL, canvas_pixels
from evalharness.planning.planner import make_plan

DEFAULT_PIXELS = 1024 * 1024
"""Assumed size of the images of a model whose settings do not give it."""


def check_model(alias: str, spec: PluginSpec) -> Iterator[CheckResult]:
    """Check that the model's weights exist and can be digested, or that its endpoint answers."""
    check_model = spec.build()
    yield ok(f"model {alias}", describe_identity(check_model.identity()))
    check_model.reachable()
    if isinstance(check_model, RemoteImageModel):
        yield ok(f"model {alias}", "answers")


def check_scorer(spec: PluginSpec) -> Iterator[CheckResult]:
    """Check the same for a benchmark's scorer, and that its judges answer a question."""
    benchmark = spec.build()
    scorer = benchmark.scorer()
    yield ok(f"scorer {spec.name}", describe_identity(scorer.identity()) or "ready")
    scorer.reachable()
    yield from ask_judges(spec.name, benchmark)


def estimate_image_bytes(sweep: Sweep) -> float:
    """Estimate the disk space for the images of a sweep in bytes.

    Raises:
        EvalHarnessError: the sweep cannot be planned.
    """
    sizes = {
        alias: BYTES_PER_PIXEL * (canvas_pixels(spec.build()) or DEFAULT_PIXELS) for alias, spec in sweep.models.items()
    }
    jobs = make_plan(sweep).jobs.values()
    return sum(job.variant.drawings * sizes[job.model] for job in jobs)
