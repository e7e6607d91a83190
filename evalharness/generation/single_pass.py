"""The variant ``single_pass``: draw the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from evalharness.api.variant import Variant
from evalharness.generation.steps import draw_once
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Trajectory


class SinglePass(Variant):
    """Draw the prompt."""

    variant: Literal["single_pass"] = "single_pass"

    def check(self, model: Any) -> None:
        """Accept any model; one that is remote, or has its images already, draws in its own way."""

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None] = ()
    ) -> list[Trajectory]:
        return draw_once(prompts, seeds, lambda: model.paint(prompts, seeds))
