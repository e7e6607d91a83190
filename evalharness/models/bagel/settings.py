"""The settings of the plugin ``bagel``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness.models.bagel.config import Renorm

if TYPE_CHECKING:
    from evalharness.models.bagel.sampler import Sampler

SAMPLER = ("steps", "shift", "text_scale", "image_scale", "interval", "renorm", "renorm_min")
"""The settings of the sampler."""
DECIDING = {
    *("mode", "dtype", "height", "width", *SAMPLER),
    *("unconditional", "temperature", "max_tokens", "vae_sizes", "vit_sizes"),
}
"""The settings that decide an outcome, besides the weights and the system prompt."""

Side = Annotated[int, Field(ge=16, le=8192, multiple_of=16)]
Longest = Annotated[int, Field(ge=14, le=8192)]
Share = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(ge=0, le=100)]


class Upstream(BaseModel):
    """A string that a Python ``file`` of an upstream checkout assigns to ``constant``; the file is read, never run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    constant: str


class Settings(BaseModel):
    """``weights``: a folder as published; the sampler's settings have the defaults of the original's ``gen_image``;
    ``system``: read before a prompt that is to be thought about; ``devices``: several, to spread the layers over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Path
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    mode: Literal["exact"] = "exact"
    height: Side = 1024
    width: Side = 1024
    steps: int = Field(default=50, ge=2, le=1000)
    shift: float = Field(default=3.0, gt=0, le=100)
    text_scale: Scale = 4.0
    image_scale: Scale = 1.5
    interval: tuple[Share, Share] = (0.4, 1.0)
    renorm: Renorm = "global"
    renorm_min: Share = 0.0
    system: str | Upstream | None = None
    unconditional: Literal["system", "empty"] = "system"
    temperature: float = Field(default=0.3, ge=0, le=10)
    max_tokens: int = Field(default=1000, ge=1, le=32_768)
    vae_sizes: tuple[Longest, Longest] = (1024, 512)
    vit_sizes: tuple[Longest, Longest] = (980, 224)
    device: str = "auto"
    devices: tuple[str, ...] = ()
    batch_size: int = Field(default=4, ge=1, le=4096)

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        if self.interval[0] > self.interval[1]:
            raise ValueError("interval: the lower bound comes first")
        for name in ("vae_sizes", "vit_sizes"):
            longest, shortest = getattr(self, name)
            if longest < shortest:
                raise ValueError(f"{name}: the longer side comes first, then the shorter")
        return self

    def sampler(self) -> Sampler:
        from evalharness.models.bagel.sampler import Sampler

        return Sampler(**{name: getattr(self, name) for name in SAMPLER})

    def deciding(self) -> dict[str, Any]:
        """What is part of a model's identity, as JSON."""
        return self.model_dump(mode="json", include=DECIDING)
