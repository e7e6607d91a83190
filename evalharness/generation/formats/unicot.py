"""The loop of Uni-CoT (Fr0zenCrane/UniCoT, inference_mdp_self_reflection.py): think, draw, then evaluate and edit.

A plan is the thought, a sketch its drawing. Each round then goes back to prompt and thought: it looks at the image to
understand it, evaluates it and suggests a change, up to three times until a suggestion asks for one; the suggestion is
written again in detail; behind prompt, thought, image and this text the image is drawn anew.
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
    """See the module's docstring. Upstream's words must be given: ``system``, and ``detail``, which asks for the
    suggestion in detail. Without ``inspect`` a change is suggested unasked, every round; without ``refine`` there is
    one round, which only evaluates.

    >>> Unicot({"system": "", "detail": "?"}).conflict("<sugg> No editing </sugg>")
    False
    """

    name: ClassVar[str] = "unicot"
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
                    f"format 'unicot' needs its {name} words: give the model `words: unicot`, or "
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
        rows = self._first(model, steps, samples)
        for iteration in range(1, iterations + 1):
            asked = self._evaluate(model, steps, rows, iteration, inspect) if inspect or refine else []
            for sample, _ in rows:
                sample.finished = not refine or all(sample is not one for one, _ in asked)
            rows = [row for row in rows if not row[0].finished]
            if not rows:
                return
            changes = steps.write(self.refine, *_columns(asked), "refine", iteration)
            samples, contexts = _columns(rows)
            drawing = model.fork(contexts)
            model.look(drawing, [sample.state for sample in samples])
            model.read(drawing, changes)
            steps.draw(samples, drawing, "refine", iteration)
            steps.fold(samples, "refine", iteration)

    def _first(self, model: Any, steps: Steps, samples: Sequence[Any]) -> list[Row]:
        """Think and draw. Thinking reads the prompt twice, drawing once, as upstream does. Returns each sample with the
        context that its rounds go back to: system prompt, prompt, thought."""
        contexts = model.start(len(samples))
        if self.system:
            model.read(contexts, [self.system] * len(samples))
        model.read(contexts, [self.prompt(sample.prompt) for sample in samples])
        thinking = model.fork(contexts)
        model.read(thinking, [self.prompt(sample.prompt) for sample in samples])
        thoughts = steps.write(self.plan, samples, thinking, "plan", 1)
        drawing = model.fork(contexts)
        model.append(drawing, thoughts)
        steps.draw(samples, drawing, "sketch", 1)
        model.append(contexts, [thought.strip() for thought in thoughts])
        return list(zip(samples, contexts, strict=True))

    def _evaluate(self, model: Any, steps: Steps, rows: Sequence[Row], iteration: int, inspect: bool) -> list[Row]:
        """The samples whose image is to be changed, with the contexts that say so. Without ``inspect`` a change is
        suggested unasked, in every one."""
        samples, contexts = _columns(rows)
        seen = model.fork(contexts)
        model.glance(seen, [sample.state for sample in samples])
        if not inspect:
            steps.write(self._suggest, samples, seen, "refine", iteration, 1)
            return list(zip(samples, seen, strict=True))
        asked: dict[int, Row] = {}
        for attempt in range(TRIES):
            left = [i for i in range(len(rows)) if i not in asked]
            if not left:
                break
            trying = model.fork([seen[i] for i in left])
            who = [samples[i] for i in left]
            steps.write(self.inspect, who, trying, "inspect", iteration, 2 * attempt)
            suggestions = steps.write(self._suggest, who, trying, "inspect", iteration, 2 * attempt + 1)
            for i, context, suggestion in zip(left, trying, suggestions, strict=True):
                if self.conflict(suggestion):
                    asked[i] = (samples[i], context)
        steps.fold(samples, "inspect", iteration)
        return [asked[i] for i in sorted(asked)]


def _columns(rows: Sequence[Row]) -> tuple[list[Any], list[Any]]:
    return [sample for sample, _ in rows], [context for _, context in rows]
