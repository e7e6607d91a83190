"""The variant ``best_of_n``: draw the prompt n times and let the model choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from evalharness.api.format import Format, Stage
from evalharness.api.model import Drawn, Interleaver
from evalharness.errors import ConfigError
from evalharness.generation.sample import Sample, noise_seed
from evalharness.generation.steps import NoteSteps, begin, look, timed, write
from evalharness.generation.stepwise import StepwiseVariant
from evalharness.types.trajectory import Step, Trajectory


class BestOfN(StepwiseVariant):
    """Draw ``n`` images of the prompt, inspect each, and take the first in which the model finds nothing wrong.

    The choice rests on the model's own words, without a scorer. If it finds fault with all images, or with none, it
    takes the first one, which is the image of ``single_pass``.
    """

    variant: Literal["best_of_n"] = "best_of_n"
    n: int = Field(default=4, ge=1, le=64)

    @property
    def drawings(self) -> int:
        return self.n

    def shared_key(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"n"})

    def contained(self, larger: Trajectory, model: Any) -> Trajectory:
        spoken = self.spoken_format(model)
        steps = [step for step in larger.steps if step.kind != "choose" and step.iteration <= self.n]
        return Trajectory((*steps, _choice(spoken, steps)))

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        if spoken.inspect is None:
            name = spoken.name
            raise ConfigError(
                f"format {name!r} has no stage 'inspect', by which to choose; use another format or variant"
            )

    def make_steps(self, model: Interleaver, samples: list[Sample], note: NoteSteps) -> None:
        spoken = self.spoken_format(model)
        assert spoken.inspect is not None
        for number in range(1, self.n + 1):
            _draw_candidate(model, samples, number)
            note(samples)
            _inspect_candidate(model, spoken, spoken.inspect, samples, number)
            for sample in samples:
                sample.complete = number
            note(samples)
        for sample in samples:
            sample.steps.append(_choice(spoken, sample.steps))
            sample.finished = True


def _draw_candidate(model: Interleaver, samples: Sequence[Sample], number: int) -> None:
    """Draw as ``single_pass`` does, from a seed of its own, what is not stored."""
    due = _not_taken_over(samples, lambda sample: sample.take_over_image("draw", number))
    if not due:
        return

    def painting() -> list[Drawn]:
        seeds = [noise_seed(sample.seed, number, "draw") for sample in due]
        return model.paint([sample.prompt for sample in due], seeds)

    drawn, seconds = timed(len(due), painting)
    for sample, image in zip(due, drawn, strict=True):
        sample.add_image("draw", number, image, seconds)


def _inspect_candidate(
    model: Interleaver, spoken: Format, stage: Stage, samples: Sequence[Sample], number: int
) -> None:
    """Inspect the newest drawing in a context of its own, where no inspection is stored."""
    due = _not_taken_over(samples, lambda sample: sample.take_over_text("inspect", number, stage.open))
    if not due:
        return
    contexts = begin(model, spoken, due)
    look(model, due, contexts)
    texts = write(model, stage, due, contexts, "inspect", number, stage.open)
    for sample, text in zip(due, texts, strict=True):
        sample.steps[-1] = replace(sample.steps[-1], text=f"{stage.open} {text}".strip())


def _not_taken_over(samples: Sequence[Sample], take_over: Callable[[Sample], object]) -> list[Sample]:
    """Take over the stored step that is due; return the samples that have none."""
    due = [sample for sample in samples if not sample.stored]
    for sample in samples:
        if sample.stored:
            take_over(sample)
    return due


def _choice(spoken: Format, steps: Sequence[Step]) -> Step:
    """The step that chooses the first candidate that passed, else the first of all."""
    good = [not spoken.conflict(step.text) for step in steps if step.kind == "inspect"]
    candidates = [step for step in steps if step.kind == "draw"]
    chosen = good.index(True) if any(good) else 0
    verdict = "nothing wrong with it" if any(good) else "fault with every one"
    text = f"drawing {chosen + 1} of {len(good)}: the model finds {verdict}"
    drawing = candidates[chosen]
    return Step("choose", len(good), text, drawing.image, drawing.seed, transparent=drawing.transparent)
