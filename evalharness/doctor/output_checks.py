"""Checks that the models and scorers of a sweep compute finite numbers, on a few samples."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from evalharness._util.image_files import has_one_color
from evalharness.api.benchmark import HasKnownAnswers, JudgeScorer
from evalharness.api.model import ImageModel
from evalharness.api.plugin_results import ADVICE, plain_trajectory
from evalharness.api.scoring import score_images
from evalharness.api.variant import CAP
from evalharness.config.schema import PluginSpec, Sweep
from evalharness.doctor.check_result import CheckResult, fail, ok, warn
from evalharness.doctor.judge_check import plain_image
from evalharness.errors import NotFiniteError, SampleError
from evalharness.generation import variants
from evalharness.planning.plan import Job
from evalharness.planning.planner import make_plan
from evalharness.types.trajectory import Trajectory

SAMPLES = 2
"""Samples that are drawn with each variant of a model."""
MAX_DRAWINGS = 2
"""Images of a trajectory above which a variant is left out, if the model has others."""


def check_drawing(alias: str, sweep: Sweep) -> Iterator[CheckResult]:
    """Draw with a model of a sweep, with each kind of its arms and one iteration.

    There is no line for a model behind an endpoint, whose images cost money, and for images that exist already.
    """
    spec = sweep.models[alias]
    model = spec.build()
    if not isinstance(model, ImageModel):
        return
    absent: dict[str, str] = {}
    plan = make_plan(sweep, absent)
    if f"model {alias}" in absent:
        return  # the line of the model has reported it
    jobs = [job for job in plan.jobs.values() if job.model == alias and _accepts(model, job)]
    name, images = f"model {alias} draws", list[bytes]()
    for batch in _batches(jobs):
        try:
            trajectories = _draw(model, batch, spec.label)
        except (SampleError, NotFiniteError) as error:
            yield fail(name, f"{batch[0].variant.variant}: {error}", "" if ADVICE in str(error) else ADVICE)
            return
        images += [trajectory.image for trajectory in trajectories if trajectory.image is not None]
    yield _check_images(name, images)


def _accepts(model: Any, job: Job) -> bool:
    try:
        model.check(job.prompt)
    except SampleError:
        return False
    return True


def _batches(jobs: Sequence[Job]) -> list[list[Job]]:
    """A few jobs of each variant that is cheap enough, cut to one iteration."""
    by_variant: dict[str, list[Job]] = {}
    for job in jobs:
        members = by_variant.setdefault(job.variant.variant, [])
        if len(members) < SAMPLES and (not members or job.variant == members[0].variant):
            members.append(job)
    capped = [_capped(members) for members in by_variant.values()]
    fewest = min((members[0].variant.drawings for members in capped), default=0)
    return [members for members in capped if members[0].variant.drawings <= max(fewest, MAX_DRAWINGS)]


def _capped(jobs: Sequence[Job]) -> list[Job]:
    if jobs[0].cap is None:
        return list(jobs)
    variant = jobs[0].variant.model_copy(update={CAP: 1})
    return [replace(job, variant=variant) for job in jobs]


def _draw(model: Any, jobs: Sequence[Job], label: str) -> list[Trajectory]:
    prompts, seeds = [job.prompt for job in jobs], [job.seed for job in jobs]
    trajectories = variants.run(jobs[0].variant, model, prompts, seeds, [job.picture for job in jobs])
    return [plain_trajectory(trajectory, label) for trajectory in trajectories]


def _check_images(name: str, images: Sequence[bytes]) -> CheckResult:
    if not images:
        return warn(name, "no image: it accepts no prompt, or ended before it drew", "look at its prompts and arms")
    blank = sum(has_one_color(Image.open(io.BytesIO(image), formats=["PNG"])) for image in images)
    count = len(images)
    advice = "look at what it draws before a long run"
    if blank == count:
        return fail(name, f"all of {count} images are blank, all pixels of one colour", ADVICE)
    if blank:
        return warn(name, f"{blank} of {count} images are blank, all pixels of one colour", advice)
    if count > 1 and len(set(images)) == 1:
        return warn(name, f"{count} images of different prompts and seeds are the same file", advice)
    return ok(name, f"{count} images, of finite numbers and none of them blank")


def check_scoring(spec: PluginSpec) -> Iterator[CheckResult]:
    """Score an image with a scorer that computes here and brings no images with known answers, which test it better."""
    benchmark = spec.build()
    scorer = benchmark.scorer()
    remote = isinstance(scorer, JudgeScorer) and not scorer.in_process
    if remote or isinstance(benchmark, HasKnownAnswers):
        return
    item = benchmark.items()[0]
    image = plain_image()
    name = f"scorer {spec.name} scores"
    try:
        score_images(scorer, [image], [item], spec.label)
    except SampleError as error:
        yield ok(name, f"a gradient, without a score: {error}")
        return
    yield ok(name, "a gradient, with finite numbers")
