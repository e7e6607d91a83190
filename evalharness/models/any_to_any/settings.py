"""The settings of the model ``any-to-any``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalharness.models.hub import WeightsSource


class AnyToAnySettings(WeightsSource):
    """A checkpoint of transformers, in its layout, that writes and draws by one network.

    Attributes:
        dtype: Of the network.
        guidance: Scale of guidance by text; by default the checkpoint's. 1 is none.
        negative_prompt: What guidance leads away from, for Emu3.
        suffix: Words after each prompt that is drawn, as some checkpoints are published with.
        area: Pixels of an image, for Emu3; by default the checkpoint's. Janus-Pro has one size.
        ratio: Width to height, for Emu3.
        temperature: Of texts; 0 takes the likeliest word. Images are sampled as the checkpoint says.
        max_tokens: The most tokens of a text.
        arguments: Further arguments of ``generate`` when an image is drawn, such as ``top_k``.
    """

    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    guidance: float | None = Field(default=None, ge=1, le=100)
    negative_prompt: str = ""
    suffix: str = ""
    area: int | None = Field(default=None, ge=64, le=2**24)
    ratio: str = Field(default="1:1", pattern=r"^[1-9]\d?:[1-9]\d?$")
    temperature: float = Field(default=0.3, ge=0, le=10)
    max_tokens: int = Field(default=512, ge=1, le=32_768)
    arguments: dict[str, Any] = Field(default_factory=dict)
    device: str = "auto"
    batch_size: int = Field(default=4, ge=1, le=4096)

    def deciding(self) -> dict[str, Any]:
        """The settings that decide what is written and drawn, besides the weights."""
        return self.model_dump(mode="json", exclude={"weights", "hub", "revision", "device", "batch_size"})
