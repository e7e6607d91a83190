"""A trajectory that continues from stored steps equals one that was made without a break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from growing_model import GrowingModel

from evalharness.errors import SampleError
from evalharness.generation import variants
from evalharness.generation.best_of_n import BestOfN
from evalharness.generation.process import Process
from evalharness.miniature.model.plugin import Miniature
from evalharness.testing import MockModel
from evalharness.types.trajectory import Cost, PartialTrajectory, Step, Trajectory, prefix

PROMPTS, SEEDS = ["thing one", "thing two", "thing three"], [3, 4, 2**62]
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "rounds": {"refinements": 3},
    "no-refine": {"refine": False},
    "no-inspect": {"inspect": False},
    "unicot": {"format": "unicot"},
    "unicot-no-inspect": {"format": "unicot", "inspect": False},
    "unicot-no-refine": {"format": "unicot", "refine": False},
    "zebra": {"format": "zebra", "inspect": False, "refine": False},
}


def content(trajectory: Trajectory) -> tuple[list[Step], bool]:
    """All but the time and the mark of being continued."""
    steps = [replace(step, continued=False, cost=replace(step.cost, seconds=0.0)) for step in trajectory.steps]
    return steps, trajectory.finished


def texts(step: Step) -> int:
    """How many texts were written for a step."""
    return 0 if step.kind == "sketch" else max(1, len(step.texts))


def resumed(variant: Process, model: Any, whole: Sequence[Trajectory], counts: Sequence[int]) -> list[Trajectory]:
    stored = [trajectory.steps[:count] for trajectory, count in zip(whole, counts, strict=True)]
    return variants.run(variant, model, PROMPTS, SEEDS, stored=stored)


@pytest.mark.parametrize("continues", [True, False], ids=["one-context", "new-contexts"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_what_is_continued_at_any_step_is_what_it_would_have_been(continues: bool, settings: dict[str, Any]) -> None:
    variant = Process(max_iterations=3, **settings)
    model = GrowingModel(GrowingModel.Settings(continues=continues, iterations=9))
    whole = variants.run(variant, model, PROMPTS, SEEDS)
    longest = max(len(trajectory.steps) for trajectory in whole)
    assert longest > (2 if variant.format else 5)
    for count in range(longest + 1):
        counts = [count, max(0, count - 1), max(0, count - 4)]
        GrowingModel.drawings = GrowingModel.texts = 0
        again = resumed(variant, model, whole, counts)
        assert list(map(content, again)) == list(map(content, whole))
        missing = [step for made, begun in zip(whole, counts, strict=True) for step in made.steps[begun:]]
        assert GrowingModel.drawings == sum(step.image is not None for step in missing)
        assert GrowingModel.texts == sum(map(texts, missing))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_what_is_handed_over_is_a_beginning_that_is_continued(settings: dict[str, Any]) -> None:
    """Whatever is handed over of a batch, and from whatever hand-over it goes on."""
    variant, model = Process(max_iterations=3, **settings), GrowingModel(GrowingModel.Settings(iterations=9))
    handed: list[dict[int, PartialTrajectory]] = []
    whole = variants.run(variant, model, PROMPTS, SEEDS, made=lambda made: handed.append(dict(made)))
    begun = dict.fromkeys(range(len(PROMPTS)), 0)
    for made in handed:
        for index, partial in made.items():
            assert partial.steps == whole[index].steps[: len(partial.steps)]
            assert prefix(whole[index].steps, partial.iterations) == prefix(partial.steps, partial.iterations)
            assert partial.finished <= (len(partial.steps) == len(whole[index].steps))
            begun[index] = max(begun[index], len(partial.steps))
        again = resumed(variant, model, whole, list(begun.values()))
        assert list(map(content, again)) == list(map(content, whole))
    drawn = [max((n for n, step in enumerate(made.steps, 1) if step.image), default=0) for made in whole]
    assert all(begun[index] >= count for index, count in enumerate(drawn)), "every drawing was handed over"


@pytest.mark.parametrize("spoken", ["strokes", "unicot"])
def test_candidates_that_are_stored_are_neither_drawn_nor_inspected_again(spoken: str) -> None:
    variant, model = BestOfN(n=3, format=spoken), GrowingModel()
    handed: list[dict[int, PartialTrajectory]] = []
    whole = variants.run(variant, model, PROMPTS, SEEDS, made=lambda made: handed.append(dict(made)))
    assert [len(made[0].steps) for made in handed] == [1, 2, 3, 4, 5, 6]
    assert [made[0].iterations for made in handed] == [0, 1, 1, 2, 2, 3]
    assert all(made[0].steps == whole[0].steps[: len(made[0].steps)] for made in handed)
    for count in range(7):
        counts = [count, max(0, count - 1), max(0, count - 4)]
        MockModel.drawn, GrowingModel.texts = [], 0
        stored = [made.steps[:begun] for made, begun in zip(whole, counts, strict=True)]
        again = variants.run(variant, model, PROMPTS, SEEDS, stored=stored)
        assert list(map(content, again)) == list(map(content, whole))
        missing = [step for made, begun in zip(whole, counts, strict=True) for step in made.steps[begun:]]
        assert len(MockModel.drawn) == sum(step.kind == "draw" for step in missing)
        assert GrowingModel.texts == sum(step.kind == "inspect" for step in missing)


def test_stored_steps_stay_as_they_are_and_the_next_one_says_so() -> None:
    variant = Process(max_iterations=3)
    model = GrowingModel(GrowingModel.Settings(iterations=9))
    (whole,) = variants.run(variant, model, PROMPTS[:1], SEEDS[:1])
    begun = tuple(replace(step, cost=Cost(7, 8, 9.0)) for step in whole.steps[:4])
    (made,) = variants.run(variant, model, PROMPTS[:1], SEEDS[:1], stored=[begun])
    assert made.steps[:4] == begun
    assert [step.continued for step in made.steps] == [number == 4 for number in range(len(whole.steps))]


def test_a_longer_cap_goes_on_from_a_shorter_one() -> None:
    model = GrowingModel(GrowingModel.Settings(iterations=9))
    short = variants.run(Process(max_iterations=2), model, PROMPTS, SEEDS)
    whole = variants.run(Process(max_iterations=4), model, PROMPTS, SEEDS)
    made = variants.run(Process(max_iterations=4), model, PROMPTS, SEEDS, stored=[made.steps for made in short])
    assert list(map(content, made)) == list(map(content, whole))


def test_steps_of_another_variant_are_no_beginning() -> None:
    with pytest.raises(SampleError, match="has 'inspect' of iteration 1 where 'plan' of iteration 1 is due"):
        variants.run(Process(), GrowingModel(), PROMPTS[:1], SEEDS[:1], stored=[(Step("inspect", 1, "ok"),)])


def test_the_miniature_continues_with_the_same_bytes() -> None:
    prompts = ["a photo of a dog right of a bench", "a photo of two red cups", "a photo of a cat and a green apple"]
    variant, model = Process(max_iterations=3), Miniature(Miniature.Settings(steps=2, temperature=1.0))
    whole = variants.run(variant, model, prompts, SEEDS)
    longest = max(len(trajectory.steps) for trajectory in whole)
    for count in range(1, longest):
        stored = [trajectory.steps[:count] for trajectory in whole]
        again = variants.run(variant, model, prompts, SEEDS, stored=stored)
        assert list(map(content, again)) == list(map(content, whole)), count
