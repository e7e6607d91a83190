"""Teacher ``diffusers-edit``: an image editing pipeline of diffusers, such as FLUX.1-Kontext, from a folder or the hub.

The first state is drawn from its description: by the pipeline itself where it can do without an image, else by editing
an empty canvas. Every other state is the one before it, edited by the instruction.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from pydantic import Field

from evalharness.errors import ConfigError, did_you_mean
from evalharness.models.diffusers import Diffusers
from evalharness.training_data.teachers import DrawingRequest, Teacher


class DiffusersEdit(Diffusers, Teacher):
    """Edits one picture after the other; pipelines are loaded and seeded as those of the model ``diffusers`` are."""

    class Settings(Diffusers.Settings):
        """The settings of the model ``diffusers``, and ``size``, the side of the first state in pixels."""

        size: int = Field(default=1024, ge=8, le=8192)

    name = "diffusers-edit"
    settings: Settings

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), "size": self.settings.size}

    def draw(self, requests: Sequence[DrawingRequest]) -> list[Image.Image]:
        """Draw one image at a time, since editing pipelines take one size per batch and states differ in size.

        Raises:
            ConfigError: the pipeline cannot edit, or does not take one of the settings.
        """
        return [self._edit(request) for request in requests]

    def _edit(self, request: DrawingRequest) -> Image.Image:
        import torch

        pipeline, call, size = self.load(), self._call(), self.settings.size
        before, text = request.before, request.instruction
        if before is None:
            text = request.description
            if _needs_image(pipeline):
                before = Image.new("RGB", (size, size), "white")
            else:
                call = {"width": size, "height": size, **call}
        if before is not None:
            call["image"] = before.convert("RGB")
        generator = torch.Generator("cpu").manual_seed(request.seed)
        with torch.inference_mode():
            made = pipeline(prompt=text, generator=generator, output_type="pil", **call)
        image: Image.Image = made.images[0].convert("RGB")
        # Each state keeps the size of the one before, although pipelines round sizes or choose their own.
        same = before is None or image.size == before.size
        return image if same or before is None else image.resize(before.size, Image.Resampling.LANCZOS)

    def _check_call(self, pipeline: Any) -> None:
        takes = inspect.signature(type(pipeline).__call__).parameters
        kind = type(pipeline).__name__
        if "prompt" not in takes or "image" not in takes:
            raise ConfigError(f"{kind} is not an image editing pipeline: it takes no prompt with an image")
        for key in self._call():
            if key not in takes:
                raise ConfigError(f"{kind} takes no argument {key!r}{did_you_mean(key, takes)}")


def _needs_image(pipeline: Any) -> bool:
    takes = inspect.signature(type(pipeline).__call__).parameters
    return takes["image"].default is inspect.Parameter.empty or "height" not in takes
