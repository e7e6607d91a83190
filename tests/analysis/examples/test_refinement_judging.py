"""A sweep has the pictures around refinements scored, no more of them than the rules need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from counting_judge import CountingJudge, score_mock_by_judge
from mock_sweeps import run_without_report
from PIL import Image
from plugin_packages import InstallPlugins

from evalharness.analysis.examples import judged_samples, missing, search
from evalharness.analysis.examples.search import ChosenExamples, choose
from evalharness.api.model import Drawn, Written
from evalharness.errors import SampleError
from evalharness.testing import MockModel, MockScorer
from evalharness.types.trajectory import StepKind

SWEEP = """\
name: tiny
model: refining
benchmarks: [{name: mock, limit: 10, samples: 2}]
arms:
  - {name: single, variant: single_pass}
  - {name: process, variant: process, max_iterations: [1, 2]}
  - {name: plain, variant: process, max_iterations: 2, refine: false}
"""
Run = Callable[[], list[ChosenExamples]]
PLAN = "<ins> add a red cat </ins> <des> a red cat </des>"
SKETCHED = "<inspect> a dog should be a red cat </inspect>"
PLANNED = "<inspect> a red cat should be a dog </inspect>"


def picture(red: bool, *about: Any) -> Drawn:
    """Red is right. Each is another picture."""
    rest = hashlib.sha256(repr(about).encode()).digest()[:2]
    return Drawn(Image.new("RGB", (8, 8), (200 if red else 50, *rest)), 3)


class RefiningModel(MockModel):
    """Refines in each iteration. Sketches are wrong, refined pictures right from the sixth prompt on; nothing that is
    right is ever broken but by the second iteration of the eighth prompt."""

    name = "refining"

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        return [picture(False, prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def write(self, contexts: Sequence[list[str]], *, stop: Sequence[str], **options: Any) -> list[Written]:
        inspections = (SKETCHED, PLANNED)
        texts = {"</des>": PLAN, "</refine>": "<refine> so </refine>"}
        written = [texts.get(stop[0]) or inspections[self.number(context) % 2] for context in contexts]
        self.read(contexts, written)
        return [Written(text, 1) for text in written]

    def draw(
        self, contexts: Sequence[list[str]], *, unguided: Any, seeds: Sequence[int], kind: StepKind = "draw"
    ) -> list[Drawn]:
        return [self.drawing(context, seed, kind) for context, seed in zip(contexts, seeds, strict=True)]

    def drawing(self, context: list[str], seed: int, kind: StepKind) -> Drawn:
        number = self.number(context)
        broken = number == 7 and context.count(PLAN) == 2
        right = number >= 5 and not broken if kind == "refine" else broken
        return picture(right, context, seed)

    @staticmethod
    def number(context: list[str]) -> int:
        """The number of the prompt, from 0."""
        return int(context[0].split()[-2])


@pytest.fixture(autouse=True)
def refining_model(install_plugins: InstallPlugins, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugins(models=[RefiningModel])
    monkeypatch.setattr(missing, "AHEAD", 3)
    monkeypatch.setattr(judged_samples, "JUDGED_SAMPLES", 0)  # what the search for examples scores is counted


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run() -> list[ChosenExamples]:
        file = tmp_path / "tiny.yaml"
        file.write_text(SWEEP)
        with run_without_report(file, tmp_path / "out") as results:
            return choose(results.data)

    return run


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
    sketches = len(MockScorer.scored) - finals
    assert 30 <= sketches <= 30 + missing.AHEAD
    assert all(example.case.judged for _, example in process.examples if example)


def test_a_second_run_looks_at_nothing(run: Run) -> None:
    first = run()
    before = len(MockScorer.scored)
    second = run()
    assert len(MockScorer.scored) == before
    numbers = [[example.number for _, example in chosen[0].examples if example] for chosen in (first, second)]
    assert numbers[0] == numbers[1] == [25, 21, 30]


def test_the_bound_holds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (missing, search):
        monkeypatch.setattr(module, "MAX_REFINEMENTS", 7)
    process, _ = run()
    assert len(MockScorer.scored) == 80 + 7
    assert process.judged == 7


def test_a_picture_that_cannot_be_scored_holds_nothing_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    score = MockScorer.score

    def picky(self: Any, images: Sequence[Any], items: Sequence[Any]) -> Any:
        if any(image.tobytes()[0] == 50 and item.id == "3" for image, item in zip(images, items, strict=True)):
            raise SampleError("too dark")
        return score(self, images, items)

    monkeypatch.setattr(MockScorer, "score", picky)
    process, _ = run()
    examples = {rule.name: example and example.sample.row["item"] for rule, example in process.examples}
    assert examples == {"fixed-instruction-state": "6", "fixed-state-prompt": "5", "broke": "7"}


def test_a_judge_is_not_asked_about_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    score_mock_by_judge(monkeypatch)
    process, _ = run()
    assert CountingJudge.requested == 80
    # A refined picture is some arm's final image, its sketch is not.
    assert process.judged == 0
    assert [rule.name for rule, example in process.examples if example] == [
        "claimed-instruction-state",
        "claimed-state-prompt",
    ]
