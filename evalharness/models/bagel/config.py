"""Sizes of a BAGEL network, from the two JSON files of its checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalharness._util.validation import error_line
from evalharness.errors import WeightsError

Renorm = Literal["global", "channel", "text_channel"]
"""Scope over which a guided velocity is limited to the length of the unguided one."""

Size = Annotated[int, Field(ge=1, le=1_000_000)]
M = TypeVar("M", bound=BaseModel)

LATENT_PATCH = 2
"""Side of the square patches in which latents are drawn."""
LATENT_SIDE = 64
"""Rows and columns of the table of latent positions, if a checkpoint has no such table."""


class LanguageSizes(BaseModel):
    """``llm_config.json``: sizes of the Qwen2 model. Keys not named here do not change what is computed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hidden_size: Size
    intermediate_size: Size
    num_attention_heads: Size
    num_hidden_layers: Size
    num_key_value_heads: Size
    vocab_size: Size
    hidden_act: Literal["silu"] = "silu"
    rms_norm_eps: float = Field(default=1e-6, gt=0)
    rope_theta: float = Field(default=10000.0, gt=0)
    rope_scaling: None = None

    @model_validator(mode="after")
    def _divisible(self) -> LanguageSizes:
        if self.hidden_size % (2 * self.num_attention_heads) or self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("hidden_size and the numbers of heads do not divide")
        if self.hidden_size % 4:
            raise ValueError("hidden_size is not a multiple of 4")
        return self

    @property
    def head_width(self) -> int:
        return self.hidden_size // self.num_attention_heads


class VisionSizes(BaseModel):
    """``vit_config.json``: sizes of the SigLIP model, of which the last layer is not used."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hidden_size: Size
    intermediate_size: Size
    num_attention_heads: Size
    num_hidden_layers: Annotated[int, Field(ge=2, le=1000)]
    image_size: Size
    patch_size: Size
    num_channels: Literal[3] = 3
    layer_norm_eps: float = Field(default=1e-6, gt=0)
    hidden_act: Literal["gelu_pytorch_tanh"] = "gelu_pytorch_tanh"

    @model_validator(mode="after")
    def _divisible(self) -> VisionSizes:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError("hidden_size is not a multiple of num_attention_heads")
        return self

    @property
    def side(self) -> int:
        """Rows and columns of its position table."""
        return self.image_size // self.patch_size

    @property
    def depth(self) -> int:
        return self.num_hidden_layers - 1


class Sizes(BaseModel):
    """Sizes of all but the autoencoder, whose sizes follow from the shapes of its weights."""

    model_config = ConfigDict(frozen=True)

    language: LanguageSizes
    vision: VisionSizes
    latent_side: Size = LATENT_SIDE
    latent_channels: Size = 16

    @property
    def latent_width(self) -> int:
        """Values per latent token."""
        return LATENT_PATCH**2 * self.latent_channels


def read_sizes(language: Path, vision: Path, **latents: Any) -> Sizes:
    """Read the sizes from a checkpoint's JSON files.

    Args:
        language: ``llm_config.json``.
        vision: ``vit_config.json``.
        **latents: the fields of :class:`Sizes` that the files do not state.

    Raises:
        WeightsError: a file is missing, is not JSON or lacks a size.
    """
    return Sizes(language=_read(LanguageSizes, language), vision=_read(VisionSizes, vision), **latents)


def _read(kind: type[M], path: Path) -> M:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WeightsError(f"{path} is not UTF-8 text") from None
    except ValidationError as error:
        raise WeightsError(f"{path}: {error_line(error, kind)}") from None
