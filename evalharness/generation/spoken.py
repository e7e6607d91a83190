"""Variants that are spoken in a format, by a model that reads and writes."""

from __future__ import annotations

from typing import Any

from evalharness.api.format import Format
from evalharness.api.model import Interleaver
from evalharness.api.registry import load
from evalharness.api.variant import Variant
from evalharness.errors import ConfigError, did_you_mean


class SpokenVariant(Variant):
    """Base class: a subclass has a field ``format``, the name of a format, or ``None`` for the model's default.

    A subclass overrides :meth:`check_format` if it needs stages that not every format has.
    """

    format: str | None = None

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
        name = self.format or model.formats[0]
        if name not in model.formats:
            raise ConfigError(f"model {model.name!r} does not speak {name!r}{did_you_mean(name, model.formats)}")
        spoken: Format = load("formats", name)(model.words)
        if spoken.name != name:
            raise ConfigError(f"format {name!r}: the `name` of its class is {spoken.name!r}; it must be {name!r}")
        self.check_format(spoken, model)
        return spoken

    def check_format(self, spoken: Format, model: Interleaver) -> None:
        """Check that the format has the stages that the variant needs, and the model the verbs that the format needs.

        Raises:
            ConfigError: It does not.
        """
