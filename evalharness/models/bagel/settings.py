"""The settings of the plugin ``bagel``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness.models.bagel import published
from evalharness.models.bagel.config import Renorm
from evalharness.models.bagel.published import Published

if TYPE_CHECKING:
    from evalharness.models.bagel.sampler import Sampler

SAMPLER = ("steps", "shift", "text_scale", "image_scale", "interval", "renorm", "renorm_min")
"""The settings of the sampler."""
DECIDING = {
    *("mode", "dtype", "height", "width", *SAMPLER, "editing"),
    *("unconditional", "temperature", "max_tokens", "vae_sizes", "vit_sizes"),
}
"""The settings that decide an outcome, besides the weights and the system prompt."""

PIXELS = 16
"""Of a latent token, along each side."""

Side = Annotated[int, Field(ge=16, le=8192, multiple_of=16)]
Longest = Annotated[int, Field(ge=14, le=8192)]
Share = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(ge=0, le=100)]


class Upstream(BaseModel):
    """A string that a Python ``file`` of an upstream checkout assigns to ``constant``; the file is read, never run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    constant: str


class Words(BaseModel):
    """Words for the formats: ``system`` is read before a prompt (``bagel``, ``unicot``, ``zebra``), the others ask for
    their stages (``prompted``; ``detail``: ``unicot``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str | Upstream | None = None
    plan: str | Upstream | None = None
    inspect: str | Upstream | None = None
    refine: str | Upstream | None = None
    detail: str | Upstream | None = None

    def chosen(self) -> dict[str, str]:
        """Those that were given, read where they stand in an upstream file."""
        from evalharness.models.bagel.words import named_constant

        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: named_constant(word.file, word.constant) if isinstance(word, Upstream) else word
            for name, word in given.items()
            if word is not None
        }


class Guidance(BaseModel):
    """What guides a drawing; where a setting is not given, it is that of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_scale: Scale | None = None
    image_scale: Scale | None = None
    interval: tuple[Share, Share] | None = None
    renorm: Renorm | None = None
    renorm_min: Share | None = None


class Settings(BaseModel):
    """``weights``: a folder as published, or what ``evalharness fetch`` brings; the sampler's settings have the
    defaults of the original's ``gen_image``; ``devices``: several, to spread the layers over; ``context_tokens``: how
    many are at work together on them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Published | Path
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    mode: Literal["exact", "fast"] = "exact"
    height: Side = 1024
    width: Side = 1024
    steps: int = Field(default=50, ge=2, le=1000)
    shift: float = Field(default=3.0, gt=0, le=100)
    text_scale: Scale = 4.0
    image_scale: Scale = 1.5
    interval: tuple[Share, Share] = (0.4, 1.0)
    renorm: Renorm = "global"
    renorm_min: Share = 0.0
    editing: Guidance = Guidance()
    words: Published | Words = Words()
    unconditional: Literal["system", "empty"] = "system"
    temperature: float = Field(default=0.3, ge=0, le=10)
    max_tokens: int = Field(default=1000, ge=1, le=32_768)
    vae_sizes: tuple[Longest, Longest] = (1024, 512)
    vit_sizes: tuple[Longest, Longest] = (980, 224)
    device: str = "auto"
    devices: tuple[str, ...] = ()
    batch_size: int = Field(default=4, ge=1, le=4096)
    context_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        for bounds in (self.interval, self.editing.interval):
            if bounds is not None and bounds[0] > bounds[1]:
                raise ValueError("interval: the lower bound comes first")
        for name in ("vae_sizes", "vit_sizes"):
            longest, shortest = getattr(self, name)
            if longest < shortest:
                raise ValueError(f"{name}: the longer side comes first, then the shorter")
        return self

    def chosen_words(self) -> dict[str, str]:
        """By their names, read where they stand in upstream's files; WeightsError if those have not been fetched."""
        if isinstance(self.words, Words):
            return self.words.chosen()
        return published.words(self.words)

    def image_tokens(self, patch: int) -> int:
        """Tokens of an image of this size that was looked at, through the autoencoder and in patches of ``patch``."""
        from evalharness.models.bagel.images import fitted_size

        seen = fitted_size(self.width, self.height, *self.vae_sizes, stride=PIXELS)
        patches = fitted_size(*seen, *self.vit_sizes, stride=patch)
        return seen[0] * seen[1] // PIXELS**2 + patches[0] * patches[1] // patch**2 + 4

    def sampler(self, *, editing: bool) -> Sampler:
        """``editing``: of a drawing whose context holds an image."""
        from evalharness.models.bagel.sampler import Sampler

        own = {name: getattr(self, name) for name in SAMPLER}
        return Sampler(**own | (self.editing.model_dump(exclude_none=True) if editing else {"image_scale": 1.0}))

    def deciding(self) -> dict[str, Any]:
        """What is part of a model's identity, as JSON."""
        return self.model_dump(mode="json", include=DECIDING)
