"""The settings of the plugin ``bagel``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness.models.bagel import published
from evalharness.models.bagel.config import Renorm
from evalharness.models.bagel.published import Published

if TYPE_CHECKING:
    from evalharness.models.bagel.files import CheckpointFiles
    from evalharness.models.bagel.sampler import Sampler

SAMPLER = ("steps", "shift", "text_scale", "image_scale", "interval", "renorm", "renorm_min")
"""The settings of the sampler."""
DECIDING = {
    *("mode", "dtype", "height", "width", *SAMPLER, "editing"),
    *("unconditional", "temperature", "max_tokens", "vae_sizes", "vit_sizes"),
}
"""The settings that determine the outputs, besides the weights and the prompts."""

PIXELS = 16
"""Pixels per latent token along each side."""

Side = Annotated[int, Field(ge=16, le=8192, multiple_of=16)]
Longest = Annotated[int, Field(ge=14, le=8192)]
Share = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(ge=0, le=100)]


class Upstream(BaseModel):
    """A string that a Python file of an upstream checkout assigns to a variable. The file is read, never run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    constant: str


class Words(BaseModel):
    """Prompts for the formats.

    Attributes:
        system: read before the prompt (``bagel``, ``unicot``, ``zebra``).
        plan: asks for a plan (``prompted``).
        inspect: asks for a critique of an image (``prompted``).
        refine: asks for a better image (``prompted``).
        detail: asks for a more detailed prompt (``unicot``).
        rewrite: asks for a prompt in place of the given one (``rewrite``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str | Upstream | None = None
    plan: str | Upstream | None = None
    inspect: str | Upstream | None = None
    refine: str | Upstream | None = None
    detail: str | Upstream | None = None
    rewrite: str | Upstream | None = None

    def chosen(self) -> dict[str, str]:
        """The prompts that are set, read from upstream files if need be."""
        from evalharness.models.bagel.words import named_constant

        prompts: dict[str, str] = {}
        for name in type(self).model_fields:
            prompt: str | Upstream | None = getattr(self, name)
            if isinstance(prompt, Upstream):
                prompts[name] = named_constant(prompt.file, prompt.constant)
            elif prompt is not None:
                prompts[name] = prompt
        return prompts


class Guidance(BaseModel):
    """Guidance of the drawings whose context holds an image; ``None`` takes over the model's setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_scale: Scale | None = None
    image_scale: Scale | None = None
    interval: tuple[Share, Share] | None = None
    renorm: Renorm | None = None
    renorm_min: Share | None = None


class Settings(BaseModel):
    """Settings of the plugin. The sampler's have the defaults of the original's ``gen_image``.

    Attributes:
        weights: a folder of weights, see :func:`~evalharness.models.bagel.files.find_files`, or a checkpoint fetched by
            ``evalharness fetch``.
        base: the same of the checkpoint that it was trained from, for the files that the folder lacks.
        ema: whether to take averaged weights or those as trained; by default averaged ones if there are any.
        mode: ``exact`` for results that do not depend on the batch, or ``fast``.
        residuals: dtype of the residual stream; by default float32 in mode ``exact``, and that of the weights in mode
            ``fast``.
        words: prompts for the formats.
        unconditional: what text guidance leads away from, the system prompt or an empty context.
        vae_sizes: longer and shorter side in pixels of images for the autoencoder.
        vit_sizes: longer and shorter side in pixels of images for the vision transformer.
        devices: several devices, to spread the layers over.
        context_tokens: limit of the tokens of contexts on the devices.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Published | Path
    base: Published | Path | None = None
    ema: bool | None = None
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    mode: Literal["exact", "fast"] = "exact"
    residuals: Literal["bfloat16", "float32"] | None = None
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
        if self.residuals == "bfloat16" and self.dtype != "bfloat16":
            raise ValueError("residuals: bfloat16 is for weights of dtype bfloat16")
        return self

    @property
    def residual_dtype(self) -> str:
        """The dtype of the residual stream."""
        return self.residuals or self._usual_residuals

    @property
    def _usual_residuals(self) -> str:
        return "float32" if self.mode == "exact" else self.dtype

    def files(self) -> CheckpointFiles:
        """The files of the checkpoint.

        Raises:
            WeightsError: the checkpoint has not been fetched, or a file is missing.
        """
        from evalharness.models.bagel.files import find_files, network_files

        folder = published.folder(self.weights)
        network_files(folder, averaged=self.ema)  # what is missing there is said first
        base = None if self.base is None else published.folder(self.base)
        return find_files(folder, base, averaged=self.ema)

    def chosen_words(self) -> dict[str, str]:
        """The prompts by name.

        Raises:
            WeightsError: an upstream file has not been fetched.
        """
        if isinstance(self.words, Words):
            return self.words.chosen()
        return published.words(self.words)

    def image_tokens(self, patch: int) -> int:
        """Tokens of a seen image of the drawings' size; ``patch`` is the side of the vision transformer's patches."""
        from evalharness.models.bagel.images import fitted_size

        latent_size = fitted_size(self.width, self.height, *self.vae_sizes, stride=PIXELS)
        vit_size = fitted_size(*latent_size, *self.vit_sizes, stride=patch)
        latent_tokens = latent_size[0] * latent_size[1] // PIXELS**2
        patch_tokens = vit_size[0] * vit_size[1] // patch**2
        markers = 4
        return latent_tokens + patch_tokens + markers

    def sampler(self, *, editing: bool) -> Sampler:
        """The sampler of a drawing; ``editing``: its context holds an image."""
        from evalharness.models.bagel.sampler import Sampler

        settings = {name: getattr(self, name) for name in SAMPLER}
        changes = self.editing.model_dump(exclude_none=True) if editing else {"image_scale": 1.0}
        return Sampler(**settings | changes)

    def deciding(self) -> dict[str, Any]:
        """The settings that are part of the model's identity, as JSON."""
        other = {} if self.residual_dtype == self._usual_residuals else {"residuals": self.residual_dtype}
        return {**self.model_dump(mode="json", include=DECIDING), **other}
