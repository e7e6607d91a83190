"""Checks the entries of a sweep file; a mistake is reported with its line and the nearest known word."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from evalharness._util.validation import Mistake, first_mistake
from evalharness.api import registry
from evalharness.config.schema import Entry, PluginSpec
from evalharness.config.setting_paths import with_absolute_paths
from evalharness.config.yaml import Document, Location
from evalharness.errors import ConfigError, PluginError

M = TypeVar("M", bound=BaseModel)


def validate(cls: type[M], document: Document, at: Location, data: Any = None, *, common: tuple[str, ...] = ()) -> M:
    """Check a part of a document as strict JSON: a string may be a path, but ``true`` and ``"3"`` are no numbers.

    Args:
        cls: The model that checks the data.
        document: The document, for the place of a mistake.
        at: Where the data stands in the document.
        data: The data; by default all of the document.
        common: Valid keys beside those of ``cls``, to be suggested for an unknown key.

    Raises:
        ConfigError: The data is invalid.
    """
    text = json.dumps(document.data if data is None else data, default=str)
    try:
        return cls.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _located(document, at, first_mistake(error, cls, common)) from None


def _located(document: Document, at: Location, mistake: Mistake) -> ConfigError:
    """Turn a mistake in the data at ``at`` into an error with its place in the file."""
    location = (*at, *mistake.location)
    more = f" (and {mistake.count - 1} more)" if mistake.count > 1 else ""
    if mistake.kind == "extra_forbidden":
        return document.error(f"{mistake.message}{more}", *location, key=True)
    if mistake.kind == "missing":
        return document.error(f"{mistake.message}{more}", *location[:-1])
    # If a value may be of several types, pydantic's location ends with the name of a type, which is not in the file.
    while location[len(at) :] and location not in document.values:
        location = location[:-1]
    place = ".".join(map(str, location[len(at) :]))
    return document.error(f"{place + ': ' if place else ''}{mistake.message}{more}", *location)


def plugin_spec(
    document: Document, kind: str, entry: str | Entry, at: Location, common: tuple[str, ...] = ()
) -> PluginSpec:
    """Check an entry that names a plugin: its name alone, or a mapping of ``name`` and the plugin's settings.

    Args:
        document: The document, for the place of a mistake.
        kind: Kind of the plugin, such as ``models``.
        entry: The entry.
        at: Where the entry stands in the document.
        common: Keys that are valid in the file beside the settings, to be suggested for an unknown key.

    Raises:
        ConfigError: There is no such plugin, or its settings are invalid.
    """
    settings = {} if isinstance(entry, str) else dict(entry)
    name = entry if isinstance(entry, str) else settings.pop("name", None)
    name_at = at if isinstance(entry, str) else (*at, "name")
    if not isinstance(name, str):
        raise document.error(f"key 'name' is missing: it says which of the {kind}", *name_at)
    try:
        plugin = registry.load(kind, name)
    except PluginError as error:
        raise document.error(str(error), *name_at) from error
    cls: type[BaseModel] = plugin.Settings
    checked = validate(cls, document, at, settings, common=("name", *common))
    try:
        return PluginSpec(kind, name, with_absolute_paths(checked, document.path.parent.absolute()))
    except ConfigError as error:
        raise document.error(str(error), *at) from None
