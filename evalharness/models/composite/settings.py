"""The settings of the model ``composite``: its parts, each a plugin with settings of its own."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness.api.plugin_ref import PluginRef
from evalharness.api.registry import available

Stage = Literal["plan", "inspect", "refine", "rewrite"]


class WriterRef(PluginRef):
    """A judge, as a chat model that looks at images; or, if no judge has this name, a model that reads and writes."""

    kind = "judges"

    @classmethod
    def kind_of(cls, name: str) -> str:
        return "judges" if name in available("judges") else "models"


class PartRef(PluginRef):
    """A model that draws or edits."""

    kind = "models"


class CompositeSettings(BaseModel):
    """The parts and how they work together.

    Attributes:
        writer: Plans, inspects and refines in words.
        painter: Draws from a text; by default the editor, if that can.
        editor: Changes an image by a text.
        redraw: In place of an editor, the painter draws anew from the revised text.
        context: Whether a chat model that writes sees, in each iteration, the prompt and the latest image, or all that
            was read, written and drawn before.
        words: Requests to a chat model, in place of those of :mod:`evalharness.models.composite.words`.
        batch_size: By default that of the parts that compute here, or the calls that the endpoints take at a time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    writer: WriterRef
    painter: PartRef | None = None
    editor: PartRef | None = None
    redraw: bool = False
    context: Literal["latest", "all"] = "latest"
    words: dict[Stage, Annotated[str, Field(pattern=r"\S")]] = {}
    batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None

    @model_validator(mode="after")
    def _one_way_to_change(self) -> Self:
        if self.redraw and self.editor is not None:
            raise ValueError("redraw: true is for a composite without an editor; remove one of them")
        if not self.redraw and self.editor is None:
            raise ValueError(
                "an editor is missing, which changes the picture; or set redraw: true, and the painter draws anew from "
                "the revised prompt"
            )
        if self.redraw and self.painter is None:
            raise ValueError("a painter is missing, which redraws")
        return self

    @property
    def painter_ref(self) -> PartRef:
        """The part that draws from a text."""
        part = self.painter or self.editor
        assert part is not None  # as checked above
        return part
