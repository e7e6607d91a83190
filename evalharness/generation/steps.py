"""The steps of variants. Each calls one verb of a model for a batch, and records text, image and cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalharness.api.format import Format, Stage
from evalharness.api.model import Context, Drawn, Interleaver, Written
from evalharness.api.variant import StepsMade
from evalharness.generation.replay import replay_drawings, replay_texts
from evalharness.generation.sample import Sample, noise_seed
from evalharness.types.trajectory import Step, StepKind, Trajectory

Result = TypeVar("Result")
NoteSteps = Callable[[Sequence[Sample]], None]
"""Called with the samples that have a new step, complete with text and image."""


def samples_of(prompts: Sequence[str], seeds: Sequence[int]) -> list[Sample]:
    """A sample for each prompt."""
    return [Sample(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]


def continued_samples(prompts: Sequence[str], seeds: Sequence[int], stored: Sequence[Sequence[Step]]) -> list[Sample]:
    """A sample for each prompt, which begins with its stored steps."""
    samples = samples_of(prompts, seeds)
    for sample, steps in zip(samples, stored, strict=True):
        sample.continue_from(steps)
    return samples


def handing_over(samples: Sequence[Sample], made: StepsMade | None) -> NoteSteps:
    """A function that hands over what a batch has made so far, of the samples with a step that is not stored."""
    if made is None:
        return note_nothing
    indices = {id(sample): index for index, sample in enumerate(samples)}

    def note(changed: Sequence[Sample]) -> None:
        partial = {indices[id(sample)]: sample.partial() for sample in changed if sample.made > sample.begun}
        if partial:
            made(partial)

    return note


def note_nothing(samples: Sequence[Sample]) -> None:
    """Where nobody asks for the steps of an unfinished batch."""


def draw_once(
    prompts: Sequence[str], seeds: Sequence[int], work: Callable[[], list[Drawn]], iteration: int = 0
) -> list[Trajectory]:
    """Make trajectories of one step, which draws."""
    samples = samples_of(prompts, seeds)
    drawn, seconds = timed(len(samples), work)
    for sample, image in zip(samples, drawn, strict=True):
        sample.add_image("draw", iteration, image, seconds)
        sample.finished = True
    return [sample.trajectory() for sample in samples]


def begin(model: Interleaver, spoken: Format, samples: Sequence[Sample]) -> list[Context]:
    """New contexts in which the system prompt and the prompts are read."""
    contexts = model.start(len(samples))
    if spoken.system:
        model.read(contexts, [spoken.system] * len(samples))
    model.read(contexts, [spoken.prompt(sample.prompt) for sample in samples])
    return contexts


def keep(
    wanted: Sequence[bool], samples: Sequence[Sample], contexts: Sequence[Context]
) -> tuple[list[Sample], list[Context]]:
    """Select some samples, with their contexts."""
    indices = [index for index, want in enumerate(wanted) if want]
    return [samples[index] for index in indices], [contexts[index] for index in indices]


def look(model: Interleaver, samples: Sequence[Sample], contexts: Sequence[Context], *, again: bool = True) -> None:
    """Look at the present states, if there are any; with ``again``, also at those that were looked at before."""
    pairs = [(context, sample) for context, sample in zip(contexts, samples, strict=True) if again or not sample.seen]
    states = [(context, sample.state) for context, sample in pairs if sample.state is not None]
    if states:
        model.look([context for context, _ in states], [state for _, state in states])
    for _, sample in pairs:
        sample.seen = True


def write(
    model: Interleaver,
    stage: Stage,
    samples: Sequence[Sample],
    contexts: Sequence[Context],
    kind: StepKind,
    iteration: int,
    opening: str = "",
    turn: int = 0,
    repetition: int = 1,
) -> list[str]:
    """Write after each context; ``turn`` distinguishes the texts of a step (see also :func:`noise_seed`).

    What is stored is not written again: the context reads it.
    """
    seeds = [(noise_seed(sample.seed, iteration, kind, repetition) + turn) % 2**63 for sample in samples]
    if any(sample.stored for sample in samples):
        due = [not sample.stored for sample in samples]
        replay_texts(model, stage, samples, contexts, seeds, kind, iteration, opening)
        write(model, stage, *keep(due, samples, contexts), kind, iteration, opening, turn, repetition)
        return [sample.steps[-1].text for sample in samples]
    if not samples:
        return []

    def writing() -> list[Written]:
        limit = stage.max_tokens
        return model.write(contexts, stop=stage.stop, max_tokens=limit, seeds=seeds, opening=opening, ask=stage.ask)

    texts, seconds = timed(len(samples), writing)
    for sample, written in zip(samples, texts, strict=True):
        sample.add_text(kind, iteration, written, seconds)
    return [written.text for written in texts]


def draw(
    model: Interleaver,
    samples: Sequence[Sample],
    contexts: Sequence[Context],
    kind: StepKind,
    iteration: int,
    repetition: int = 1,
) -> None:
    """Draw after each context; what is stored is not drawn again."""
    seeds = [noise_seed(sample.seed, iteration, kind, repetition) for sample in samples]
    if any(sample.stored for sample in samples):
        due = [not sample.stored for sample in samples]
        replay_drawings(model, samples, contexts, seeds, kind, iteration)
        draw(model, *keep(due, samples, contexts), kind, iteration, repetition)
        return
    if not samples:
        return

    def drawing() -> list[Drawn]:
        unguided = model.start(len(samples)) if model.guided else []
        if unguided:
            look(model, samples, unguided)
        return model.draw(contexts, unguided=unguided, seeds=seeds, kind=kind)

    drawn, seconds = timed(len(samples), drawing)
    for sample, image in zip(samples, drawn, strict=True):
        sample.add_image(kind, iteration, image, seconds, repetition)


@dataclass(frozen=True)
class RecordedSteps:
    """The :class:`~evalharness.api.format.Steps` of a format with its own loop.

    Attributes:
        samples: All samples of the batch.
        note: Called with the samples that have a new step that will stay as it is.
    """

    model: Interleaver
    samples: Sequence[Sample]
    note: NoteSteps

    def write(
        self,
        stage: Stage,
        samples: Sequence[Sample],
        contexts: Sequence[Context],
        kind: StepKind,
        iteration: int,
        turn: int = 0,
    ) -> list[str]:
        self._begin(samples, iteration)
        texts = write(self.model, stage, [*samples], [*contexts], kind, iteration, turn=turn)
        self._end(samples, may_be_folded=kind != "plan")
        return texts

    def draw(self, samples: Sequence[Sample], contexts: Sequence[Context], kind: StepKind, iteration: int) -> None:
        self._begin(samples, iteration)
        draw(self.model, [*samples], [*contexts], kind, iteration)
        self._end(samples, may_be_folded=kind != "sketch")

    def fold(self, samples: Sequence[Sample], kind: StepKind, iteration: int) -> None:
        for sample in samples:
            sample.fold(kind, iteration)
        self._end(samples, may_be_folded=False)

    def _begin(self, samples: Sequence[Sample], iteration: int) -> None:
        for sample in samples:
            sample.complete = iteration - 1

    def _end(self, samples: Sequence[Sample], *, may_be_folded: bool) -> None:
        """Note steps, also of samples that the format has finished since the last time."""
        for sample in samples:
            sample.open = may_be_folded
        ended = [sample for sample in self.samples if sample.finished and sample.complete < sample.iteration]
        for sample in ended:
            sample.complete, sample.open = sample.iteration, False
        self.note([*samples, *ended])


def timed(count: int, work: Callable[[], Result]) -> tuple[Result, float]:
    """Do some work; return its result, and its seconds divided by the number of samples in the batch."""
    start = time.perf_counter()
    result = work()
    return result, (time.perf_counter() - start) / max(1, count)
