"""The list of checks in the order in which they run: those that others depend on come first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from evalharness.api import registry
from evalharness.api.benchmark import HasKnownAnswers
from evalharness.config.schema import Sweep
from evalharness.doctor import fetched_files, kernels, output_checks, sweep_checks, system
from evalharness.doctor.check_result import Check, CheckResult
from evalharness.doctor.golden import Golden
from evalharness.doctor.golden_comparison import compare_golden
from evalharness.doctor.scorer_check import ScorerCheck
from evalharness.errors import EvalHarnessError

EMBEDDED_BENCHMARK = "geneval"
"""The benchmark whose scorer tests the embedded networks."""


def list_checks(
    store: Path,
    sweep: Sweep | None,
    embedded: ScorerCheck,
    scorer_checks: Sequence[ScorerCheck],
    golden: Golden | None,
    *,
    draw: bool = True,
) -> Iterator[tuple[str, Check]]:
    """All checks by name.

    Args:
        store: the folder of the run's store, which need not exist yet.
        sweep: a sweep whose needs are checked as well.
        embedded: the check of the embedded networks.
        scorer_checks: the scorers to test; ``embedded`` may be one of them.
        golden: a golden file with which the scorers are also compared.
        draw: whether to draw with the models of the sweep.
    """
    yield "python", system.check_python
    yield "packages", system.check_packages
    yield "torch", system.check_torch
    yield "opencv", system.check_opencv
    yield "cuda", kernels.check_gpus
    yield "kernels", kernels.check_all_devices
    yield "mmcv", kernels.check_mmcv
    yield "disk", lambda: system.check_disks(system.written_folders(store), {"store": _image_bytes(sweep)})
    yield "network", system.check_network
    yield "fetched", fetched_files.check_fetched
    yield embedded.label, embedded.check_verdicts
    if sweep is not None:
        for alias, model in sweep.models.items():
            yield f"model {alias}", partial(sweep_checks.check_model, alias, model)
            if draw:
                yield f"model {alias} draws", partial(output_checks.check_drawing, alias, sweep)
        for spec in sweep.benchmarks:
            yield f"scorer {spec.name}", partial(sweep_checks.check_scorer, spec.plugin)
            yield f"scorer {spec.name} scores", partial(output_checks.check_scoring, spec.plugin)
    for check in scorer_checks:
        yield check.label, partial(_check_scorer, check, embedded, golden)


def _check_scorer(check: ScorerCheck, embedded: ScorerCheck, golden: Golden | None) -> Iterator[CheckResult]:
    try:
        tested_already = check is embedded or check.identity == embedded.identity
    except EvalHarnessError:
        return  # the line of the scorer has reported it
    # Without known answers, the verdicts tell less than the golden file.
    if not tested_already and (golden is None or any(specimen.correct is not None for specimen in check.specimens)):
        yield from check.check_verdicts()
    if golden is not None:
        yield from compare_golden(golden, check)


def embedded_check(photographs: Sequence[Image.Image] = ()) -> ScorerCheck:
    """The detector and the CLIP that come with the package."""
    plugin = registry.load("benchmarks", EMBEDDED_BENCHMARK)
    return ScorerCheck("embedded", plugin(plugin.Settings()), photographs)


def scorer_checks_of(sweep: Sweep, photographs: Sequence[Image.Image] = ()) -> list[ScorerCheck]:
    """The scorers of a sweep that can be tested on images."""
    benchmarks = [spec.plugin.build() for spec in sweep.benchmarks]
    return [
        ScorerCheck(benchmark.name, benchmark, photographs)
        for benchmark in benchmarks
        if isinstance(benchmark, HasKnownAnswers)
    ]


def _image_bytes(sweep: Sweep | None) -> float:
    try:
        return sweep_checks.estimate_image_bytes(sweep) if sweep else 0.0
    except EvalHarnessError:
        return 0.0  # the lines of models and scorers say why
