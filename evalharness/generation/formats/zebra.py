"""The loop of Bagel-Zebra-CoT (multimodal-reasoning-lab/Bagel-Zebra-CoT, infz_bf16.py): write, draw, look, write …

The trajectory grows in two contexts. The context for writing holds images as BAGEL encodes them to understand, the
context for drawing as it encodes them to draw. Guidance strengthens only the newest text. A text with a final answer
ends the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from evalharness.api.format import OwnLoop, Stage, Steps
from evalharness.errors import ConfigError
from evalharness.models.bagel import published

FINAL = ("Final Answer:", "<answer>")


class Zebra(OwnLoop):
    """See the module's docstring. The system prompt is upstream's, so ``system`` must be given.

    >>> Zebra({"system": ""}).done("Final Answer: 3")
    True
    """

    name: ClassVar[str] = "zebra"
    replays = True
    assets = published.assets("zebra")
    plan: Stage = Stage("", ("<|im_end|>",), 32_768)

    def __init__(self, words: Mapping[str, str]) -> None:
        if "system" not in words:
            raise ConfigError(
                "format 'zebra' needs a system prompt: give the model `words: zebra`, or `words: {system: …}`, "
                "a string or {file: …/infz_bf16.py, constant: INTERLEAVED_SYSTEM_PROMPT} of an upstream checkout"
            )
        self.system = words["system"]

    def done(self, plan: str) -> bool:
        return any(marker in plan for marker in FINAL)

    def process(
        self, model: Any, steps: Steps, samples: Sequence[Any], *, iterations: int, inspect: bool, refine: bool
    ) -> None:
        writing = model.start(len(samples))
        if self.system:
            model.read(writing, [self.system] * len(samples))
        model.read(writing, [self.prompt(sample.prompt) for sample in samples])
        rows = list(zip(samples, writing, model.fork(writing), strict=True))
        for iteration in range(1, iterations + 1):
            texts = steps.write(self.plan, [row[0] for row in rows], [row[1] for row in rows], "plan", iteration)
            for (sample, _, _), text in zip(rows, texts, strict=True):
                # The first iteration always draws: a sample without an image could not be scored.
                sample.finished = iteration > 1 and self.done(text)
            unfinished = [(row, text) for row, text in zip(rows, texts, strict=True) if not row[0].finished]
            rows = [row for row, _ in unfinished]
            if not rows:
                return
            active, writing, drawing = (list(column) for column in zip(*rows, strict=True))
            model.read(drawing, [text for _, text in unfinished])
            steps.draw(active, drawing, "sketch", iteration)
            if iteration < iterations:
                states = [sample.state for sample in active]
                model.glance(writing, states)
                model.look(drawing, states)
