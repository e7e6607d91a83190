"""Teacher ``diffusers-edit``: an image editing pipeline of diffusers, such as FLUX.1-Kontext, from a folder or the hub.

The first state is drawn from its description: by the pipeline itself where it can do without an image, else by editing
an empty canvas. Every other state is the one before it, edited by the instruction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from pydantic import Field

from evalharness.models.diffusers import Diffusers, noise
from evalharness.models.pipeline_calls import draws_from_text, require_editing
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
        """Draw an image for each request.

        Raises:
            ConfigError: the pipeline cannot edit, or does not take one of the settings.
        """
        require_editing(self.load())
        return [self._state(request) for request in requests]

    def _state(self, request: DrawingRequest) -> Image.Image:
        before, size = request.before, self.settings.size
        if before is None and draws_from_text(self.load()):
            frame = {"width": size, "height": size, **self._call()}
            return self._run({**frame, "prompt": request.description, "generator": noise(request.seed)})[0].image
        text = request.description if before is None else request.instruction
        canvas = Image.new("RGB", (size, size), "white") if before is None else before
        image = self.edit([canvas], [text], [request.seed])[0].image
        # Each state keeps the size of the one before, although pipelines round sizes or choose their own.
        same = before is None or image.size == before.size
        return image if same or before is None else image.resize(before.size, Image.Resampling.LANCZOS)
