"""Expands the arms of a sweep file: a setting that is a list or a range makes an arm of each of its values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from evalharness.config.entries import plugin_spec, validate
from evalharness.config.schema import NAME, Arm, Entry, PluginSpec, SweepFile
from evalharness.config.yaml import Document, Location
from evalharness.errors import PluginError, did_you_mean
from evalharness.generation import variants

MAX_ARMS = 1000
RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


def expand_arms(document: Document, top: SweepFile, models: dict[str, PluginSpec]) -> Iterator[Arm]:
    """Give the arms of a sweep file in its order.

    Args:
        document: The file, for the place of a mistake.
        top: Its checked top level.
        models: Models by alias. A model that an arm names by its plugin is added.

    Raises:
        ConfigError: An arm is invalid, its name is taken, or there are more than :data:`MAX_ARMS`.
    """
    seen: set[str] = set()
    for index, entry in enumerate(top.arms):
        at: Location = ("arms", index)
        if not isinstance(entry.get("name"), str) or not re.match(NAME, entry["name"]):
            raise document.error("an arm needs a name that starts with a letter or digit", *at, "name")
        settings = {key: value for key, value in entry.items() if key != "name"}
        settings.setdefault("model", _default_model(top))
        for choice, label in _matrix(document, at, settings):
            arm = _arm(document, at, " ".join([entry["name"], *label]), choice, models)
            if arm.name in seen:
                raise document.error(f"two arms are called {arm.name!r}", *at, "name")
            seen.add(arm.name)
            if len(seen) > MAX_ARMS:
                raise document.error(f"more than {MAX_ARMS} arms", *at)
            yield arm


def _default_model(top: SweepFile) -> str | None:
    if top.model is None and len(top.models) == 1:
        return next(iter(top.models))
    return top.model["name"] if isinstance(top.model, dict) else top.model


def _matrix(document: Document, at: Location, settings: Entry) -> Iterator[tuple[Entry, list[str]]]:
    """Give all combinations of the settings that are lists or ranges, each with its label such as ``["seed=2"]``."""
    options = {key: _options(document, (*at, key), value) for key, value in settings.items()}
    lists = [key for key in settings if isinstance(settings[key], list) or _is_range(settings[key])]
    for values in product(*options.values()):
        choice = dict(zip(options, values, strict=True))
        yield choice, [f"{key}={_word(choice[key])}" for key in lists]


def _is_range(value: Any) -> bool:
    return isinstance(value, str) and RANGE.fullmatch(value) is not None


def _options(document: Document, at: Location, value: Any) -> list[Any]:
    if isinstance(value, list):
        if not value:
            raise document.error("an empty list leaves no arm", *at)
        options: list[Any] = []
        for item in value:
            options += _options(document, at, item)
            if len(options) > MAX_ARMS:
                raise document.error(f"more than {MAX_ARMS} values", *at)
        return options
    if match := RANGE.fullmatch(value) if isinstance(value, str) else None:
        first, last = int(match[1]), int(match[2])
        if not 0 <= last - first < MAX_ARMS:
            raise document.error(f"the range {value} is empty or has more than {MAX_ARMS} values", *at)
        return list(range(first, last + 1))
    return [value]


def _word(value: Any) -> str:
    return json.dumps(value).strip('"')


def _arm(document: Document, at: Location, name: str, choice: Entry, models: dict[str, PluginSpec]) -> Arm:
    settings = dict(choice)
    model = settings.pop("model")
    if model is None:
        raise document.error("this arm has no model; give one here or at the top of the file", *at)
    if not isinstance(model, str):
        raise document.error("an arm's model is a name; put its settings under 'models:'", *at, "model")
    if model not in models:
        models[model] = plugin_spec(document, "models", model, (*at, "model"))
    variant = settings.get("variant")
    names = variants.names()
    if not isinstance(variant, str) or variant not in names:
        raise document.error(f"unknown variant {variant!r}{did_you_mean(str(variant), names)}", *at, "variant")
    try:
        cls = variants.variant_class(variant)
    except PluginError as error:
        raise document.error(str(error), *at, "variant") from error
    return Arm(name, model, validate(cls, document, at, settings, common=("name", "model")))
