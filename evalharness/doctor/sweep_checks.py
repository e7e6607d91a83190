"""What a sweep file needs: the weights that its models and scorers name, its judges, room for its images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalharness.api.model import Interleaver
from evalharness.config.schema import PluginSpec, Sweep
from evalharness.doctor.check_result import CheckResult, ok
from evalharness.doctor.scorer_check import describe_identity
from evalharness.plan.plan import Job, make_plan

BYTES_A_PIXEL = 2
"""Of a PNG of a photograph, about."""
USUAL = (1024, 1024)
"""Pixels of an image of a model that does not say."""


def model(alias: str, spec: PluginSpec) -> Iterator[CheckResult]:
    """Its weights are there; their digests are read for its identity. One behind an address answers."""
    built = spec.build()
    yield ok(f"model {alias}", describe_identity(built.identity()))
    yield from _reachable(f"model {alias}", built)


def scorer(spec: PluginSpec) -> Iterator[CheckResult]:
    """The same of what scores a benchmark."""
    built = spec.build().scorer()
    yield ok(f"scorer {spec.name}", describe_identity(built.identity()) or "ready")
    yield from _reachable(f"judge {spec.name}", built)


def _reachable(name: str, built: Any) -> Iterator[CheckResult]:
    ask = getattr(built, "reachable", None)
    if ask is not None:
        ask()
        yield ok(name, "answers")


def needed(sweep: Sweep) -> float:
    """Bytes that the images of a sweep take, about.

    Raises:
        EvalHarnessError: the sweep cannot be planned.
    """
    sizes = {alias: _image_bytes(spec.build()) for alias, spec in sweep.models.items()}
    jobs = make_plan(sweep).jobs.values()
    return sum(_images(job) * sizes[job.model] for job in jobs)


def _images(job: Job) -> int:
    """How many a trajectory has at most."""
    drawings = getattr(job.variant, "n", 1) + bool(getattr(job.variant, "refine", False))
    return (job.cap or 1) * int(drawings)


def _image_bytes(model: Any) -> float:
    canvas = model.blank() if isinstance(model, Interleaver) else None
    width, height = canvas.size if canvas is not None else USUAL
    return BYTES_A_PIXEL * width * height
