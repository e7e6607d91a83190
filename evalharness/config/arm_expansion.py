"""Expands the arms of a sweep file: a setting that is a list or a range makes an arm of each of its values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalharness.config.entries import validate
from evalharness.config.matrix import matrix
from evalharness.config.plugin_expansion import Models
from evalharness.config.schema import MAX_NAME, NAME, Arm, Entry, SweepFile
from evalharness.config.yaml import Document, Location
from evalharness.errors import PluginError, did_you_mean
from evalharness.generation import variants

MAX_ARMS = 1000


def expand_arms(document: Document, top: SweepFile, models: Models) -> Iterator[Arm]:
    """Give the arms of a sweep file in its order.

    Args:
        document: The file, for the place of a mistake.
        top: Its checked top level.
        models: The models. One that an arm names by its plugin is added.

    Raises:
        ConfigError: An arm is invalid, its name is taken, or there are more than :data:`MAX_ARMS`.
    """
    seen: set[str] = set()
    for index, entry in enumerate(top.arms):
        at: Location = ("arms", index)
        name = _check_name(document, at, entry.get("name"))
        settings = {key: value for key, value in entry.items() if key != "name"}
        settings.setdefault("model", _default_model(top))
        for arm in _arms(document, at, name, settings, models):
            if arm.name in seen:
                raise document.error(f"two arms are called {arm.name!r}", *at, "name")
            seen.add(arm.name)
            if len(seen) > MAX_ARMS:
                raise document.error(f"more than {MAX_ARMS} arms", *at)
            yield arm


def _arms(document: Document, at: Location, name: str, settings: Entry, models: Models) -> Iterator[Arm]:
    """One arm for each combination of the arm's settings and its model's."""
    for choice in matrix(document, at, settings):
        for labels, model in models.named(document, _model(document, at, choice.settings), (*at, "model")):
            full_name = _check_name(document, at, " ".join([name, *choice.labels, *labels]))
            yield _arm(document, at, full_name, choice.settings, model)


def _default_model(top: SweepFile) -> str | None:
    if top.model is None and len(top.models) == 1:
        return next(iter(top.models))
    return top.model["name"] if isinstance(top.model, dict) else top.model


def _check_name(document: Document, at: Location, name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise document.error("an arm needs a name that starts with a letter or digit", *at, "name")
    if len(name) > MAX_NAME:
        raise document.error(f"an arm's name has at most {MAX_NAME} characters, this one {len(name)}", *at, "name")
    return name


def _model(document: Document, at: Location, settings: Entry) -> str:
    model = settings["model"]
    if model is None:
        raise document.error("this arm has no model; give one here or at the top of the file", *at)
    if not isinstance(model, str):
        raise document.error("an arm's model is a name; put its settings under 'models:'", *at, "model")
    return model


def _arm(document: Document, at: Location, name: str, choice: Entry, model: str) -> Arm:
    settings = {key: value for key, value in choice.items() if key != "model"}
    variant = settings.get("variant")
    names = variants.names()
    if not isinstance(variant, str) or variant not in names:
        raise document.error(f"unknown variant {variant!r}{did_you_mean(str(variant), names)}", *at, "variant")
    try:
        cls = variants.variant_class(variant)
    except PluginError as error:
        raise document.error(str(error), *at, "variant") from error
    return Arm(name, model, validate(cls, document, at, settings, common=("name", "model")))
