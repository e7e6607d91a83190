"""The variant ``text_cot``: think in text, then draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from evalharness.api.format import Format, Stage
from evalharness.api.model import Branching, Context, Drawn, Interleaver
from evalharness.api.registry import load
from evalharness.api.variant import AddedLater
from evalharness.errors import ConfigError, SampleError
from evalharness.generation.sample import Sample
from evalharness.generation.spoken import SpokenVariant
from evalharness.generation.steps import begin, draw, samples_of, timed, write
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Trajectory


class TextCot(SpokenVariant):
    """Think in text, then draw. The format is by default the first of the model's that has a chain of thought.

    ``context`` says what the drawing is made from: ``both`` prompt and thought, or the ``thought`` alone, in place of
    the prompt, as in de-contextualised generation (arXiv 2602.08336).
    """

    variant: Literal["text_cot"] = "text_cot"
    context: Annotated[Literal["both", "thought"], AddedLater("both")] = "both"

    def default_format(self, model: Interleaver) -> str:
        return next((name for name in model.formats if load("formats", name).think is not None), model.formats[0])

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        if spoken.think is None:
            raise ConfigError(f"format {spoken.name!r} has no chain of thought; use another format or variant")
        if spoken.reads_twice and not isinstance(model, Branching):
            raise ConfigError(
                f"format {spoken.name!r} thinks in a copy of the context, which needs a model whose contexts can be "
                f"forked; those of {model.name!r} cannot"
            )

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None] = ()
    ) -> list[Trajectory]:
        spoken = self.spoken_format(model)
        assert spoken.think is not None
        samples = samples_of(prompts, seeds)
        contexts = begin(model, spoken, samples)
        thoughts = _think(model, spoken, spoken.think, samples, contexts)
        if self.context == "thought":
            _paint(model, samples, [spoken.rewritten(thought) for thought in thoughts])
        elif model.draws_context:
            draw(model, samples, contexts, "draw", 0)
        else:
            pairs = zip(samples, thoughts, strict=True)
            _paint(model, samples, [f"{sample.prompt}\n{spoken.rewritten(thought)}" for sample, thought in pairs])
        for sample in samples:
            sample.finished = True
        return [sample.trajectory() for sample in samples]


def _think(
    model: Any, spoken: Format, stage: Stage, samples: Sequence[Sample], contexts: Sequence[Context]
) -> list[str]:
    """Write the thoughts, which become part of the contexts."""
    if not spoken.reads_twice:
        return write(model, stage, samples, contexts, "think", 0)
    thinking = model.fork(contexts)
    model.read(thinking, [spoken.prompt(sample.prompt) for sample in samples])
    thoughts = write(model, stage, samples, thinking, "think", 0)
    model.append(contexts, thoughts)
    return thoughts


def _paint(model: Interleaver, samples: Sequence[Sample], texts: Sequence[str]) -> None:
    """Draw texts as ``single_pass`` draws prompts.

    Raises:
        SampleError: A text is empty, or the model cannot take it.
    """
    for text in texts:
        if not text.strip():
            raise SampleError("the thought has no words to draw from")
        model.check(text)

    def painting() -> list[Drawn]:
        return model.paint(texts, [sample.seed for sample in samples])

    drawn, seconds = timed(len(samples), painting)
    for sample, image in zip(samples, drawn, strict=True):
        sample.add_image("draw", 0, image, seconds)
