"""The loop of Uni-CoT (Fr0zenCrane/UniCoT, inference_mdp_self_reflection.py): think, draw, then evaluate and edit.

The model writes a thought (the plan) and draws from it (the sketch). Each round starts again from prompt and thought:
the model views the image, evaluates it and suggests a change. It tries up to three times until a suggestion asks for a
change, and then writes the suggestion in detail. Prompt, thought, image and this text are the context of the next
drawing.

As published, two texts are read and then dropped: the model reads the prompt a second time to think, and it is asked
for the change in detail in a context that has the evaluation and not the suggestion. The format ``unicot-mended`` reads
the prompt once and keeps the suggestion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from evalharness.api.format import OwnLoop, Stage, Steps
from evalharness.errors import ConfigError
from evalharness.models.bagel import published

TRIES = 3
GOOD = ("Everything is good", "Everything is well", "No editing", "no editing")
END = ("<|im_end|>",)
Row = tuple[Any, Any]
"""A sample and one of its contexts."""


class Unicot(OwnLoop):
    """See the module's docstring.

    Two of upstream's texts must be given: ``system``, and ``detail``, which asks to write the suggestion in detail.
    Without ``inspect`` the model suggests a change in every round without evaluating the image, and this suggestion is
    kept, because nothing else says what to change. Without ``refine`` there is one round, which only evaluates.

    >>> Unicot({"system": "", "detail": "?"}).conflict("<sugg> No editing </sugg>")
    False
    """

    name: ClassVar[str] = "unicot"
    behaviour_version: ClassVar[int] = 2
    reads_twice: ClassVar[bool] = True
    keeps_suggestion: ClassVar[bool] = False
    """Whether the context in which the change is written in detail has the suggestion."""
    replays = True
    assets = published.assets("unicot")
    think = Stage("", END, 2048)
    plan: Stage = think
    inspect = Stage("", END, 8192)
    refine: Stage
    _suggest = Stage("", END, 8192)

    def __init__(self, words: Mapping[str, str]) -> None:
        for name, constant in (("system", "SYSTEM_PROMPT"), ("detail", "enhance_prompt")):
            if name not in words:
                file = f"{{file: …/inference_mdp_self_reflection.py, constant: {constant}}}"
                raise ConfigError(
                    f"format {self.name!r} needs its {name} words: give the model `words: unicot`, or "
                    f"`words: {{{name}: …}}`, a string or {file} of an upstream checkout"
                )
        self.system = words["system"]
        self.refine = Stage("", END, 8192, words["detail"])

    def conflict(self, inspection: str) -> bool:
        """Whether a suggestion asks for a change."""
        return not any(words in inspection for words in GOOD)

    def process(
        self, model: Any, steps: Steps, samples: Sequence[Any], *, iterations: int, inspect: bool, refine: bool
    ) -> None:
        rows = self._think_and_draw(model, steps, samples)
        for iteration in range(1, iterations + 1):
            to_change = self._evaluate(model, steps, rows, iteration, inspect) if inspect or refine else []
            for sample, _ in rows:
                sample.finished = not refine or all(sample is not changing for changing, _ in to_change)
            rows = [row for row in rows if not row[0].finished]
            if not rows:
                return
            changes = steps.write(self.refine, *_columns(to_change), "refine", iteration)
            samples, contexts = _columns(rows)
            drawing = model.fork(contexts)
            model.look(drawing, [sample.state for sample in samples])
            model.read(drawing, changes)
            steps.draw(samples, drawing, "refine", iteration)
            steps.fold(samples, "refine", iteration)

    def _think_and_draw(self, model: Any, steps: Steps, samples: Sequence[Any]) -> list[Row]:
        """Write the thoughts and draw.

        Returns:
            Each sample with the context that its rounds start from: system prompt, prompt and thought.
        """
        contexts = model.start(len(samples))
        if self.system:
            model.read(contexts, [self.system] * len(samples))
        model.read(contexts, [self.prompt(sample.prompt) for sample in samples])
        thinking = model.fork(contexts)
        if self.reads_twice:
            model.read(thinking, [self.prompt(sample.prompt) for sample in samples])
        thoughts = steps.write(self.plan, samples, thinking, "plan", 1)
        drawing = model.fork(contexts)
        model.append(drawing, thoughts)
        steps.draw(samples, drawing, "sketch", 1)
        model.append(contexts, [thought.strip() for thought in thoughts])
        return list(zip(samples, contexts, strict=True))

    def _evaluate(self, model: Any, steps: Steps, rows: Sequence[Row], iteration: int, inspect: bool) -> list[Row]:
        """Evaluate the images and suggest changes.

        Returns:
            The samples whose suggestion asks for a change, with the contexts in which it is to be written in detail.
            Without ``inspect`` these are all samples.
        """
        samples, contexts = _columns(rows)
        viewing = model.fork(contexts)
        model.glance(viewing, [sample.state for sample in samples])
        if not inspect:
            steps.write(self._suggest, samples, viewing, "refine", iteration, 1)
            return list(zip(samples, viewing, strict=True))
        to_change: dict[int, Row] = {}
        for attempt in range(TRIES):
            left = [i for i in range(len(rows)) if i not in to_change]
            if not left:
                break
            trying = model.fork([viewing[i] for i in left])
            remaining = [samples[i] for i in left]
            steps.write(self.inspect, remaining, trying, "inspect", iteration, 2 * attempt)
            suggesting = trying if self.keeps_suggestion else model.fork(trying)
            suggestions = steps.write(self._suggest, remaining, suggesting, "inspect", iteration, 2 * attempt + 1)
            for i, context, suggestion in zip(left, trying, suggestions, strict=True):
                if self.conflict(suggestion):
                    to_change[i] = (samples[i], context)
        steps.fold(samples, "inspect", iteration)
        return [to_change[i] for i in sorted(to_change)]


class UnicotMended(Unicot):
    """The loop without its two slips: the prompt is read once, and what is written in detail is in sight."""

    name: ClassVar[str] = "unicot-mended"
    behaviour_version: ClassVar[int] = 1
    reads_twice: ClassVar[bool] = False
    keeps_suggestion: ClassVar[bool] = True


def _columns(rows: Sequence[Row]) -> tuple[list[Any], list[Any]]:
    return [sample for sample, _ in rows], [context for _, context in rows]
