"""Settings that name another plugin: a benchmark's detector, its judge."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializationInfo, ValidationError, model_serializer, model_validator

from evalharness.api import registry
from evalharness.config.schema import NoSettings
from evalharness.errors import PluginError, did_you_mean


class PluginRef(BaseModel):
    """A plugin by name; in a file its settings stand beside the name: ``{name: mask2former, weights: …}``.

    A subclass says of which ``kind``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]

    name: str
    settings: BaseModel

    def build(self) -> Any:
        """The plugin; cheap."""
        return registry.load(self.kind, self.name)(self.settings)

    @model_validator(mode="before")
    @classmethod
    def _of_plugin(cls, raw: Any) -> Any:
        if isinstance(raw, cls):
            return raw
        entry = {"name": raw} if isinstance(raw, str) else dict(raw) if isinstance(raw, dict) else {}
        name = entry.pop("name", None)
        if not isinstance(name, str):
            kind = cls.kind.removesuffix("s")
            raise ValueError(f"a {kind} is a name, or a mapping with a name and its settings, got {raw!r}")
        if isinstance(entry.get("settings"), BaseModel):
            return raw
        return {"name": name, "settings": cls._settings(name, entry)}

    @classmethod
    def _settings(cls, name: str, entry: dict[str, Any]) -> BaseModel:
        """As strict as the sweep file itself: neither ``true`` nor ``"3"`` is a number."""
        try:
            settings: type[BaseModel] = getattr(registry.load(cls.kind, name), "Settings", NoSettings)
        except PluginError as error:
            raise ValueError(str(error)) from None
        try:
            return settings.model_validate_json(json.dumps(entry, default=str), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                key = str(first["loc"][-1])
                raise ValueError(f"unknown key {key!r}{did_you_mean(key, settings.model_fields)}") from None
            if first["type"] == "missing":
                raise ValueError(f"key {place!r} of {name!r} is missing") from None
            message = first["msg"].removeprefix("Value error, ")
            raise ValueError(f"{place + ': ' if place else ''}{message}") from None

    @model_serializer
    def _flat(self, info: SerializationInfo) -> dict[str, Any]:
        return {"name": self.name, **self.settings.model_dump(mode="json", exclude_unset=info.exclude_unset)}


class DetectorRef(PluginRef):
    """A detector."""

    kind = "detectors"


class JudgeRef(PluginRef):
    """A judge."""

    kind = "judges"
