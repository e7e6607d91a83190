"""The variant ``best_of_n``: draw the prompt n times and let the model choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from evalharness.api.format import Format, Stage
from evalharness.api.model import Drawn, Interleaver
from evalharness.errors import ConfigError
from evalharness.generation.sample import Sample, noise_seed
from evalharness.generation.spoken import SpokenVariant
from evalharness.generation.steps import begin, look, samples_of, timed, write
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Step, Trajectory


class BestOfN(SpokenVariant):
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
        good = [not spoken.conflict(step.text) for step in steps if step.kind == "inspect"]
        return Trajectory((*steps, _choice(steps, good)))

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        if spoken.inspect is None:
            name = spoken.name
            raise ConfigError(
                f"format {name!r} has no stage 'inspect', by which to choose; use another format or variant"
            )

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None] = ()
    ) -> list[Trajectory]:
        spoken = self.spoken_format(model)
        assert spoken.inspect is not None
        samples = samples_of(prompts, seeds)
        passed: list[list[bool]] = [[] for _ in samples]
        for number in range(1, self.n + 1):
            verdicts = _candidate(model, spoken, spoken.inspect, samples, number)
            for verdict, earlier in zip(verdicts, passed, strict=True):
                earlier.append(verdict)
        for sample, good in zip(samples, passed, strict=True):
            sample.steps.append(_choice(sample.steps, good))
            sample.finished = True
        return [sample.trajectory() for sample in samples]


def _candidate(model: Interleaver, spoken: Format, stage: Stage, samples: Sequence[Sample], number: int) -> list[bool]:
    """Draw a candidate as ``single_pass`` does, from a seed of its own, and inspect it in a new context.

    Returns:
        For each sample, whether nothing was found wrong.
    """
    prompts = [sample.prompt for sample in samples]
    seeds = [noise_seed(sample.seed, number, "draw") for sample in samples]

    def painting() -> list[Drawn]:
        return model.paint(prompts, seeds)

    drawn, seconds = timed(len(samples), painting)
    for sample, image in zip(samples, drawn, strict=True):
        sample.add_image("draw", number, image, seconds)
    contexts = begin(model, spoken, samples)
    look(model, samples, contexts)
    texts = write(model, stage, samples, contexts, "inspect", number, stage.open)
    verdicts = []
    for sample, text in zip(samples, texts, strict=True):
        inspection = f"{stage.open} {text}".strip()
        sample.steps[-1] = replace(sample.steps[-1], text=inspection)
        verdicts.append(not spoken.conflict(inspection))
    return verdicts


def _choice(steps: Sequence[Step], good: Sequence[bool]) -> Step:
    """The step that chooses the first candidate that passed, else the first of all."""
    candidates = [step for step in steps if step.kind == "draw"]
    chosen = good.index(True) if any(good) else 0
    verdict = "nothing wrong with it" if any(good) else "fault with every one"
    text = f"drawing {chosen + 1} of {len(good)}: the model finds {verdict}"
    return Step("choose", len(good), text, candidates[chosen].image, candidates[chosen].seed)
