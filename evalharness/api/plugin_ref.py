"""Settings that name another plugin, such as a benchmark's detector or judge."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializationInfo, ValidationError, model_serializer, model_validator

from evalharness._util.validation import first_mistake
from evalharness.api import registry
from evalharness.errors import PluginError


class PluginRef(BaseModel):
    """A plugin by name, with its settings. In a file the settings stand beside the name: ``{name: mask2former, …}``.

    Attributes:
        kind: Kind of the plugin, such as ``detectors``; each subclass sets it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]

    name: str
    settings: BaseModel

    def build(self) -> Any:
        """Create the plugin. This is cheap: a plugin reads no weights before it is used."""
        return registry.load(self.kind_of(self.name), self.name)(self.settings)

    @classmethod
    def kind_of(cls, name: str) -> str:
        """The kind of the plugin of this name; a subclass whose plugins are of several kinds overrides it."""
        return cls.kind

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
        """Check the settings as strictly as the sweep file itself: ``true`` and ``"3"`` are no numbers."""
        try:
            settings: type[BaseModel] = registry.load(cls.kind_of(name), name).Settings
        except PluginError as error:
            raise ValueError(str(error)) from None
        try:
            return settings.model_validate_json(json.dumps(entry, default=str), strict=True)
        except ValidationError as error:
            mistake = first_mistake(error, settings)
            if mistake.kind == "missing":
                raise ValueError(f"key {'.'.join(map(str, mistake.location))!r} of {name!r} is missing") from None
            raise ValueError(mistake.line) from None

    @model_serializer
    def _flat(self, info: SerializationInfo) -> dict[str, Any]:
        return {"name": self.name, **self.settings.model_dump(mode="json", exclude_unset=info.exclude_unset)}


class DetectorRef(PluginRef):
    """A detector."""

    kind = "detectors"


class JudgeRef(PluginRef):
    """A judge."""

    kind = "judges"
