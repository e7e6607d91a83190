"""A sweep has the pictures around refinements scored, no more of them than the rules need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from core_fakes import FakeBenchmark, FakeScorer
from PIL import Image

from evalharness.analysis.examples import missing, search
from evalharness.analysis.examples.search import ChosenExamples, choose
from evalharness.api.benchmark import JudgeScorer
from evalharness.cli import sweep
from evalharness.config import sweep_files
from evalharness.errors import SampleError
from evalharness.generation import variants
from evalharness.generation.steps import png_bytes
from evalharness.planning.planner import make_plan
from evalharness.store.load import load_results
from evalharness.store.store import Store
from evalharness.types.score import Score
from evalharness.types.trajectory import Cost, Step, Trajectory

SWEEP = """\
name: tiny
model: fake
benchmarks: [{name: fake, limit: 10, samples: 2}]
arms:
  - {name: single, variant: single_pass}
  - {name: process, variant: process, max_iterations: [1, 2]}
  - {name: plain, variant: process, max_iterations: 2, refine: false}
"""
Run = Callable[[], list[ChosenExamples]]
PLAN = "<ins> add a red cat at left </ins> <des> a red cat at left </des>"
SKETCHED = "<inspect> a dog at left should be a red cat </inspect>"
PLANNED = "<inspect> a red cat at left should be a dog </inspect>"


def picture(red: bool, *about: Any) -> bytes:
    """Red is right. Each is another picture."""
    rest = hashlib.sha256(repr(about).encode()).digest()[:2]
    return png_bytes(Image.new("RGB", (8, 8), (200 if red else 50, *rest)))


def refining(
    variant: Any, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[Any] = ()
) -> list[Trajectory]:
    """Two iterations, each refined. Sketches are wrong, refined pictures right from the sixth prompt on; nothing that
    is right is ever broken but by the second iteration of the eighth prompt."""
    made = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        number, steps = int(prompt.split()[-1]), []
        if variant.variant == "single_pass":
            made.append(Trajectory((Step("draw", image=picture(False, prompt, seed), seed=seed),)))
            continue
        for iteration in range(1, variant.max_iterations + 1):
            broke = number == 7 and iteration == 2
            steps.append(Step("plan", iteration, PLAN))
            steps.append(Step("sketch", iteration, image=picture(broke, variant.refine, seed, iteration), seed=seed))
            steps.append(Step("inspect", iteration, PLANNED if number % 2 else SKETCHED))
            if variant.refine:
                after = picture(number >= 5 and not broke, "refined", seed, iteration)
                steps.append(Step("refine", iteration, "<refine> so </refine>", after, seed, Cost(3, 0, 0.1)))
        made.append(Trajectory(tuple(steps), False))
    return made


@pytest.fixture(autouse=True)
def recorded_trajectories(fake_plugins: None, fake_report: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "run", refining)
    monkeypatch.setattr(missing, "AHEAD", 3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def go() -> list[ChosenExamples]:
        file = tmp_path / "tiny.yaml"
        file.write_text(SWEEP)
        assert sweep.main([str(file), "--out", str(tmp_path / "out"), "--quiet"]) == 0
        with Store(tmp_path / "store", write=False) as store:
            return choose(load_results(make_plan(sweep_files.load(file)), store, {}))

    return go


def test_the_first_of_each_kind_is_found_and_little_else_looked_at(run: Run) -> None:
    process, plain = run()
    finals = 10 * 2 * (1 + 2 + 1)  # single, process at both caps, plain
    examples = {
        rule.name: example and (example.sample.row["item"], example.case.refinement.iteration)
        for rule, example in process.examples
    }
    assert examples == {"fixed-instruction-state": ("6", 1), "fixed-state-prompt": ("5", 1), "broke": ("7", 2)}
    assert (plain.arm, plain.refinements) == ("plain", 0)
    # A sketch for each refinement up to that which broke, in rounds of three; what they became was scored already.
    sketches = FakeScorer.looked - finals
    assert 30 <= sketches <= 30 + missing.AHEAD
    assert all(example.case.judged for _, example in process.examples if example)


def test_a_second_run_looks_at_nothing(run: Run) -> None:
    first = run()
    before = FakeScorer.looked
    second = run()
    assert FakeScorer.looked == before
    numbers = [[example.number for _, example in chosen[0].examples if example] for chosen in (first, second)]
    assert numbers[0] == numbers[1] == [25, 21, 30]


def test_the_bound_holds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (missing, search):
        monkeypatch.setattr(module, "MAX_REFINEMENTS", 7)
    process, _ = run()
    assert FakeScorer.looked == 80 + 7
    assert process.judged == 7


def test_a_picture_that_cannot_be_scored_holds_nothing_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    score = FakeScorer.score

    def picky(self: Any, images: Sequence[Any], items: Sequence[Any]) -> Any:
        if any(image.tobytes()[0] == 50 and item.id == "3" for image, item in zip(images, items, strict=True)):
            raise SampleError("too dark")
        return score(self, images, items)

    monkeypatch.setattr(FakeScorer, "score", picky)
    process, _ = run()
    examples = {rule.name: example and example.sample.row["item"] for rule, example in process.examples}
    assert examples == {"fixed-instruction-state": "6", "fixed-state-prompt": "5", "broke": "7"}


class Judge(JudgeScorer):
    """A scorer with a judge: it would cost money."""

    requested = 0

    def identity(self) -> dict[str, Any]:
        return {"name": "judge"}

    def judge(self, requests: Any, replies: Any) -> Iterator[Any]:
        for request in requests:
            Judge.requested += 1
            yield request, Score(1.0)


def test_a_judge_is_not_asked_about_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBenchmark, "scorer", lambda self: Judge())
    monkeypatch.setattr(Judge, "requested", 0)
    process, _ = run()
    assert Judge.requested == 80
    # A refined picture is some arm's final image, its sketch is not.
    assert process.judged == 0
    assert [rule.name for rule, example in process.examples if example] == [
        "claimed-instruction-state",
        "claimed-state-prompt",
    ]
