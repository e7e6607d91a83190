"""Variants that are spoken in a format, by a model that reads and writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from evalharness.api.format import Format
from evalharness.api.model import Interleaver
from evalharness.api.registry import load
from evalharness.api.variant import AddedLater, Variant
from evalharness.errors import ConfigError, did_you_mean

Limit = Annotated[int, Field(ge=1, le=32_768)]


class TokenLimits(BaseModel):
    """Limits of tokens by stage; ``None`` keeps the format's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    think: Limit | None = None
    plan: Limit | None = None
    inspect: Limit | None = None
    refine: Limit | None = None


class SpokenVariant(Variant):
    """Base class for variants that are spoken in a format.

    A subclass overrides :meth:`check_format` if it needs stages that not every format has.

    Attributes:
        format: The name of a format, or ``None`` for the model's default.
        tokens: Limits of tokens by stage, in place of the format's own.
    """

    format: str | None = None
    tokens: Annotated[TokenLimits, AddedLater(TokenLimits())] = TokenLimits()

    def key(self) -> dict[str, Any]:
        settings = super().key()
        if "tokens" in settings:
            settings["tokens"] = self.tokens.model_dump(exclude_none=True)
        return settings

    def check(self, model: Any) -> None:
        self.spoken_format(model)

    def spoken_format(self, model: Any) -> Format:
        """The format that the model speaks in this variant.

        Raises:
            ConfigError: The model or the format lacks what the variant needs.
        """
        if not isinstance(model, Interleaver):
            raise ConfigError(
                f"variant {self.variant!r} needs a model that reads and writes; {model.name!r} only draws"
            )
        name = self.format or self.default_format(model)
        if name not in model.formats:
            raise ConfigError(f"model {model.name!r} does not speak {name!r}{did_you_mean(name, model.formats)}")
        spoken: Format = load("formats", name)(model.words)
        if spoken.name != name:
            raise ConfigError(f"format {name!r}: the `name` of its class is {spoken.name!r}; it must be {name!r}")
        for stage, limit in self.tokens.model_dump(exclude_none=True).items():
            if getattr(spoken, stage) is None:
                raise ConfigError(f"format {name!r} has no stage {stage!r}, whose `tokens:` could be limited")
            setattr(spoken, stage, replace(getattr(spoken, stage), max_tokens=limit))
        self.check_format(spoken, model)
        return spoken

    def default_format(self, model: Interleaver) -> str:
        """The name of the format where none is set: the model's first."""
        return model.formats[0]

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        """Check that the format has the stages that the variant needs, and the model the verbs that the format needs.

        Raises:
            ConfigError: It does not.
        """
