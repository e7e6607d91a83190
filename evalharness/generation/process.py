"""The variant ``process``: the loop of "Think in Strokes, Not Pixels" (arXiv 2604.04746).

Plan → Sketch → Inspect → Refine, until the model says that it is done or the cap is reached. Inspection and refinement
may be repeated within an iteration: how often is the paper's number of refinement iterations.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from evalharness.api.format import Format, OwnLoop, Stage
from evalharness.api.model import Branching, Context, Interleaver
from evalharness.api.variant import AddedLater
from evalharness.errors import ConfigError
from evalharness.generation.replay import recall_words
from evalharness.generation.sample import Sample
from evalharness.generation.steps import NoteSteps, RecordedSteps, begin, draw, keep, look, write
from evalharness.generation.stepwise import StepwiseVariant
from evalharness.types.trajectory import Step, remembered


class Process(StepwiseVariant):
    """Plan, sketch, inspect and refine until the model is done or the cap is reached.

    ``refinements`` is the most rounds of inspection and refinement in an iteration. A round that finds no conflict is
    the last one of its iteration.

    Without ``inspect`` nothing is inspected, and every sketch is refined by a correction that the model writes
    unprompted by a conflict. Without ``refine`` a conflict is named but not corrected. Without both a sketch stays as
    it is.

    With ``context: latest`` a context never holds more than one image: before each look it is made anew, of the prompt,
    the plans and corrections in words, and the newest drawing.
    """

    variant: Literal["process"] = "process"
    max_iterations: int = Field(default=6, ge=1, le=64)
    inspect: bool = True
    refine: bool = True
    refinements: Annotated[int, AddedLater(1)] = Field(default=1, ge=0, le=16)
    context: Annotated[Literal["all", "latest"], AddedLater("all")] = "all"

    @property
    def cap(self) -> int:
        return self.max_iterations

    @property
    def drawings(self) -> int:
        return self.max_iterations * (1 + self.refine * self.refinements)

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        name = spoken.name
        if spoken.plan is None:
            raise ConfigError(f"format {name!r} has no process; set `format:` to one that has, such as strokes")
        if self.inspect and spoken.inspect is None:
            raise ConfigError(f"format {name!r} has no stage 'inspect'; set `inspect: false`")
        if self.refine and spoken.refine is None:
            raise ConfigError(f"format {name!r} has no stage 'refine'; set `refine: false`")
        if isinstance(spoken, OwnLoop) and self.refinements != 1:
            raise ConfigError(
                f"format {name!r} has a loop of its own, in which an iteration refines once; remove `refinements:` and "
                "set `max_iterations:`"
            )
        if isinstance(spoken, OwnLoop) and not isinstance(model, Branching):
            raise ConfigError(
                f"format {name!r} has a loop of its own, which needs a model whose contexts can be forked "
                f"(fork, glance, append); those of {model.name!r} cannot"
            )
        if not model.draws_after_images:
            raise ConfigError(
                f"{model.name!r} draws from a text alone, not from an image, so that it cannot refine; give it as "
                "painter to a composite with an editor or `redraw: true`"
            )
        if self.context == "latest" and (isinstance(spoken, OwnLoop) or not model.continues):
            reason = (
                f"format {name!r} has a loop of its own, which decides what stays in its context"
                if isinstance(spoken, OwnLoop)
                else f"each iteration of {model.name!r} sees the newest image alone already"
            )
            raise ConfigError(f"{reason}; remove `context:`")

    def resumes(self, model: Any) -> bool:
        spoken = self.spoken_format(model)
        return model.replays and (spoken.replays if isinstance(spoken, OwnLoop) else True)

    def make_steps(self, model: Interleaver, samples: list[Sample], note: NoteSteps) -> None:
        spoken = self.spoken_format(model)
        if isinstance(spoken, OwnLoop):
            steps, cap = RecordedSteps(model, samples, note), self.max_iterations
            spoken.process(model, steps, samples, iterations=cap, inspect=self.inspect, refine=self.refine)
        else:
            self._loop(model, spoken, samples, note)

    def _loop(self, model: Interleaver, spoken: Format, samples: list[Sample], note: NoteSteps) -> None:
        blank = model.blank()
        for sample in samples:
            sample.state = blank
            if sample.stored and self._begins_anew(model):
                # Each iteration has a context of its own, so that only the last one may have to be rebuilt.
                sample.take_over_before(sample.stored[-1].iteration)
        contexts: list[Context] = []
        for iteration in range(1, self.max_iterations + 1):
            active = [sample for sample in samples if not sample.finished and sample.iteration < iteration]
            if not active:
                continue
            if iteration == 1 or self._begins_anew(model):
                contexts = self._begin(model, spoken, active)
                if iteration > 1 and model.remembers:
                    model.read(contexts, [remembered(sample.steps) for sample in active])
            self._iterate(model, spoken, active, contexts, iteration, note)
            for sample in active:
                sample.complete = iteration
            note(active)
            _, contexts = keep([not sample.finished for sample in active], active, contexts)

    def _begins_anew(self, model: Interleaver) -> bool:
        """Whether each iteration has a context of its own."""
        return self.context == "latest" or not model.continues

    def _begin(self, model: Interleaver, spoken: Format, samples: list[Sample]) -> list[Context]:
        """New contexts; with ``context: latest`` they have the words so far, but for inspections."""
        contexts = begin(model, spoken, samples)
        if self.context == "latest":
            recall_words(model, spoken, samples, contexts, opened=not self.inspect)
        return contexts

    def _iterate(
        self,
        model: Interleaver,
        spoken: Format,
        active: list[Sample],
        contexts: list[Context],
        iteration: int,
        note: NoteSteps,
    ) -> None:
        """One round of plan, sketch, inspect, refine for the samples that are not finished."""
        assert spoken.plan is not None
        inspect = spoken.inspect if self.inspect else None
        refine = spoken.refine if self.refine else None
        look(model, active, contexts, again=self._begins_anew(model))
        plans = write(model, spoken.plan, active, contexts, "plan", iteration)
        note(active)
        for sample, plan in zip(active, plans, strict=True):
            # The first iteration always draws: a sample without an image could not be scored.
            sample.finished = iteration > 1 and spoken.done(plan)
        active, contexts = keep([not sample.finished for sample in active], active, contexts)
        if not active:
            return
        draw(model, active, contexts, "sketch", iteration)
        note(active)
        if inspect is None and refine is None:
            return
        for repetition in range(1, self.refinements + 1):
            if self.context == "latest":
                contexts = self._begin(model, spoken, active)
            look(model, active, contexts)
            if inspect is not None:
                inspections = write(model, inspect, active, contexts, "inspect", iteration, repetition=repetition)
                note(active)
                active, contexts = keep([spoken.conflict(text) for text in inspections], active, contexts)
            if refine is None or not active:
                return
            opening = "" if inspect is not None else refine.open
            _refine(model, refine, active, contexts, iteration, repetition, opening)
            note(active)


def _refine(
    model: Interleaver,
    stage: Stage,
    samples: list[Sample],
    contexts: list[Context],
    iteration: int,
    repetition: int,
    opening: str,
) -> None:
    """Write a correction and draw the state again, as one step."""
    write(model, stage, samples, contexts, "refine", iteration, opening, repetition=repetition)
    draw(model, samples, contexts, "refine", iteration, repetition)
    for sample in samples:
        if len(sample.steps) <= sample.begun:
            continue  # the step is stored as a whole
        correction, drawing = sample.steps[-2:]
        text = f"{opening} {correction.text}" if opening else correction.text
        cost = correction.cost + drawing.cost
        sample.steps[-2:] = [Step("refine", iteration, text, drawing.image, drawing.seed, cost, cut=correction.cut)]
