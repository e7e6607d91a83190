"""The variant ``text_cot``: think in text, then draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from evalharness.api.format import Format
from evalharness.api.model import Interleaver
from evalharness.errors import ConfigError
from evalharness.generation.spoken import SpokenVariant
from evalharness.generation.steps import begin, draw, samples_of, write
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Trajectory


class TextCot(SpokenVariant):
    """Think in text, then draw. The format is by default the model's own."""

    variant: Literal["text_cot"] = "text_cot"

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        if spoken.think is None:
            raise ConfigError(f"format {spoken.name!r} has no chain of thought; use another format or variant")

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None] = ()
    ) -> list[Trajectory]:
        spoken = self.spoken_format(model)
        assert spoken.think is not None
        samples = samples_of(prompts, seeds)
        contexts = begin(model, spoken, samples)
        write(model, spoken.think, samples, contexts, "think", 0)
        draw(model, samples, contexts, "draw", 0)
        for sample in samples:
            sample.finished = True
        return [sample.trajectory() for sample in samples]
