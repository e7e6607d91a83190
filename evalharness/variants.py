"""How a model makes one image: the variants and their settings."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness.errors import ConfigError
from evalharness.trajectory import Cost, Step, Trajectory


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def key(self) -> dict[str, Any]:
        """The settings that decide a trajectory's bytes: all but the iteration cap, which only cuts it short."""
        return self.model_dump(mode="json", exclude={"max_iterations"})


class SinglePass(_Settings):
    """Draw the prompt."""

    variant: Literal["single_pass"] = "single_pass"


class TextCot(_Settings):
    """Think in text, then draw."""

    variant: Literal["text_cot"] = "text_cot"
    format: str | None = None


class Process(_Settings):
    """Plan, sketch, inspect and refine until the model is content or the cap is reached."""

    variant: Literal["process"] = "process"
    format: str | None = None
    max_iterations: int = Field(default=6, ge=1, le=64)
    inspect: bool = True
    refine: bool = True


VariantSettings = Annotated[SinglePass | TextCot | Process, Field(discriminator="variant")]


def run(variant: VariantSettings, model: Any, prompts: Sequence[str], seeds: Sequence[int]) -> list[Trajectory]:
    """One trajectory a prompt."""
    if not isinstance(variant, SinglePass):
        raise ConfigError(f"variant {variant.variant!r} is not there yet")
    start = time.perf_counter()
    drawn = model.paint(prompts, seeds)
    seconds = (time.perf_counter() - start) / max(1, len(prompts))
    return [
        Trajectory((Step("draw", image=_png(d.image), seed=seed, cost=Cost(d.evaluations, 0, seconds)),))
        for d, seed in zip(drawn, seeds, strict=True)
    ]


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
