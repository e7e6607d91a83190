"""The variant ``edit``: change an item's picture as its prompt says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from evalharness._util.prompt_images import show
from evalharness.api.model import ImageEditor, RemoteImageModel
from evalharness.api.variant import Variant
from evalharness.errors import ConfigError
from evalharness.generation.steps import draw_once
from evalharness.types.item import PromptImage
from evalharness.types.trajectory import Trajectory


class Edit(Variant):
    """Change the picture of an item as its prompt says."""

    needs_pictures: ClassVar[bool] = True

    variant: Literal["edit"] = "edit"

    def check(self, model: Any) -> None:
        if not isinstance(model, ImageEditor) and not (isinstance(model, RemoteImageModel) and model.edits):
            raise ConfigError(f"variant 'edit' needs a model that changes images; {model.name!r} does not")

    def generate(
        self, model: Any, prompts: Sequence[str], seeds: Sequence[int], pictures: Sequence[PromptImage | None] = ()
    ) -> list[Trajectory]:
        images = [show(picture) for picture in pictures if picture is not None]
        return draw_once(prompts, seeds, lambda: model.edit(images, prompts, seeds))
