"""Which checks there are, in the order in which they are made: what others rest on comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from evalharness.api import registry
from evalharness.api.benchmark import HasKnownAnswers
from evalharness.config.schema import Sweep
from evalharness.doctor import fetched_files, golden, kernels, sweep_checks, system
from evalharness.doctor.check_result import Check, CheckResult
from evalharness.doctor.golden import Golden
from evalharness.doctor.scorer_check import ScorerCheck
from evalharness.errors import EvalHarnessError

DEFAULT = "geneval"
"""The benchmark by whose scorer the embedded networks are checked."""


def checks(
    store: Path, sweep: Sweep | None, embedded: ScorerCheck, examined: Sequence[ScorerCheck], made: Golden | None
) -> Iterator[tuple[str, Check]]:
    """All of them. ``examined`` are those whose scorers are of interest, ``embedded`` perhaps among them."""
    yield "python", system.python
    yield "packages", system.packages
    yield "torch", system.torch
    yield "opencv", system.opencv
    yield "cuda", kernels.devices
    yield "kernels", kernels.every_device
    yield "mmcv", kernels.mmcv
    yield "disk", lambda: system.disks(system.places(store), {"store": _needed(sweep)})
    yield "fetched", fetched_files.fetched
    yield embedded.label, embedded.verdicts
    if sweep is not None:
        for alias, model in sweep.models.items():
            yield f"model {alias}", partial(sweep_checks.model, alias, model)
        for spec in sweep.benchmarks:
            yield f"scorer {spec.plugin.name}", partial(sweep_checks.scorer, spec.plugin)
    for one in examined:
        yield one.label, partial(_scorer, one, embedded, made)


def _scorer(one: ScorerCheck, embedded: ScorerCheck, made: Golden | None) -> Iterator[CheckResult]:
    try:
        known = one is embedded or one.identity == embedded.identity
    except EvalHarnessError:
        return  # the line of the scorer has said it
    if not known and (made is None or any(specimen.correct is not None for specimen in one.specimens)):
        yield from one.verdicts()
    if made is not None:
        yield from golden.compare(made, one)


def embedded_networks(photographs: Sequence[Image.Image] = ()) -> ScorerCheck:
    """The detector and the CLIP that come with the package."""
    plugin = registry.load("benchmarks", DEFAULT)
    return ScorerCheck("embedded", plugin(plugin.Settings()), photographs)


def networks_of(sweep: Sweep, photographs: Sequence[Image.Image] = ()) -> list[ScorerCheck]:
    """The scorers of a sweep that can be checked by images."""
    built = [spec.plugin.build() for spec in sweep.benchmarks]
    return [ScorerCheck(one.name, one, photographs) for one in built if isinstance(one, HasKnownAnswers)]


def _needed(sweep: Sweep | None) -> float:
    try:
        return sweep_checks.needed(sweep) if sweep else 0.0
    except EvalHarnessError:
        return 0.0  # the lines of models and scorers say why
