"""A few samples of a sweep's models and scorers tell numbers that are none and blank images before a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import number_plugins
import pytest
from judged_benchmark import AskedBenchmark, AskOnceScorer
from plugin_packages import InstallPlugins

from evalharness.config import sweep_files
from evalharness.config.schema import Sweep
from evalharness.doctor.check_result import run_checks
from evalharness.doctor.output_checks import check_drawing, check_scoring
from evalharness.errors import NotFiniteError
from evalharness.testing import MockJudge, MockModel

Write = Callable[[str], Path]
SWEEP = """\
name: mine
models: {m: MODEL}
benchmarks: [BENCHMARK]
arms:
  - {name: single, model: m, variant: single_pass}
  - {name: thinking, model: m, variant: text_cot}
  - {name: process, model: m, variant: process, max_iterations: 2..5}
  - {name: best, model: m, variant: best_of_n, n: 9}
"""


class AskedHere(AskedBenchmark):
    """Its judge computes in this process."""

    def scorer(self) -> AskOnceScorer:
        scorer = super().scorer()
        scorer.in_process = True
        return scorer


class NumberlessJudge(MockJudge):
    """Computes NaN."""

    name = "numberless"

    def ask(self, prompts: Any) -> Any:
        for _ in prompts:
            raise NotFiniteError("5 of 10 numbers of the logits of the judge are NaN or infinite")
        yield from ()


@pytest.fixture
def sweep(sweep_file: Write, install_plugins: InstallPlugins) -> Callable[..., Sweep]:
    """A function that loads a sweep of these plugins."""
    benchmarks = [number_plugins.NumberBenchmark, AskedHere]
    install_plugins(models=[number_plugins.NumberModel], benchmarks=benchmarks, judges=[NumberlessJudge])

    def load(model: str = "{name: numbers}", benchmark: str = "{name: numbers, limit: 6}") -> Sweep:
        return sweep_files.load(sweep_file(SWEEP.replace("MODEL", model).replace("BENCHMARK", benchmark)))

    return load


def lines(name: str, check: Callable[[], Any]) -> list[str]:
    return [result.line() for result in run_checks([(name, check)])]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("", "ok    model m draws: 6 images, of finite numbers and none of them blank"),
        ("broken: [thing]", "fail  model m draws: single_pass: 12 of 48 numbers of the latents are NaN or infinite; "),
        ("evaluations: nan", "fail  model m draws: single_pass: model 'numbers' returned nan as steps[0].cost.eval"),
        ("image: blank", "fail  model m draws: all of 6 images are blank, all pixels of one colour; its weights are"),
        ("image: same", "warn  model m draws: 6 images of different prompts and seeds are the same file; look at"),
        ("refuses: [thing]", "warn  model m draws: no image: it accepts no prompt, or ended before it drew; look at"),
    ],
)
def test_a_model_draws_a_few_images_with_each_kind_of_its_arms(
    sweep: Callable[..., Sweep], settings: str, line: str
) -> None:
    (written,) = lines("m", lambda: check_drawing("m", sweep(f"{{name: numbers, {settings}}}")))
    assert written.startswith(line)
    assert len(MockModel.drawn) <= 2 + 2 + 4, "best of nine is left out, and a process has one iteration"


def test_images_that_exist_are_not_drawn(sweep: Callable[..., Sweep], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    text = SWEEP.partition("  - {name: thinking")[0].replace("MODEL", "{name: folder, path: images}")
    (tmp_path / "folder.yaml").write_text(text.replace("BENCHMARK", "mock"))
    assert list(check_drawing("m", sweep_files.load(tmp_path / "folder.yaml"))) == []


@pytest.mark.parametrize(
    ("benchmark", "line"),
    [
        ("{name: numbers}", "ok    scorer numbers scores: a gradient, with finite numbers"),
        ("{name: numbers, value: nan}", "fail  s: benchmark 'numbers' returned nan as value; its weights are damaged"),
        ("{name: numbers, value: network}", "fail  s: benchmark 'numbers': 3 of 9 numbers of the class logits are NaN"),
        ("{name: numbers, detail: inf}", "fail  s: benchmark 'numbers' returned inf as details.score; its weights"),
        ("{name: asked, items: 2, judge: {name: mock}}", "ok    scorer asked scores: a gradient, with finite numbers"),
        (
            "{name: asked, items: 2, judge: {name: mock, replies: [hm]}}",
            "ok    scorer asked scores: a gradient, without a score: no score: 'hm'",
        ),
        (
            "{name: asked, items: 2, judge: {name: numberless}}",
            "fail  s: benchmark 'asked': 5 of 10 numbers of the logits of the judge are NaN or infinite; its weights",
        ),
    ],
)
def test_a_scorer_scores_an_image(sweep: Callable[..., Sweep], benchmark: str, line: str) -> None:
    spec = sweep(benchmark=benchmark).benchmarks[0].plugin
    (written,) = lines("s", lambda: check_scoring(spec))
    assert written.startswith(line)


def test_known_answers_test_a_scorer_better(sweep: Callable[..., Sweep]) -> None:
    assert list(check_scoring(sweep(benchmark="geneval").benchmarks[0].plugin)) == []
