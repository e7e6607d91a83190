"""Settings that are lists or ranges stand for all their values: ``steps: [1, 2]``, ``seed: 0..4``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from evalharness.config.yaml import Document, Location

MAX_VALUES = 1000
RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_NOT_IN_A_LABEL = re.compile(r"[^\w.,:+@-]+")
Entry = dict[str, Any]


class Choice(NamedTuple):
    """One combination of values.

    Attributes:
        settings: All settings, each with one value.
        labels: ``key=value`` of those that are swept. No label has a space, so that names can be told from labels.
    """

    settings: Entry
    labels: list[str]


def matrix(
    document: Document, at: Location, settings: Entry, literal: frozenset[str] = frozenset()
) -> Iterator[Choice]:
    """Give all combinations of the settings that are lists or ranges.

    Args:
        document: The file, for the place of a mistake.
        at: Where the settings stand in it.
        settings: The settings.
        literal: Settings whose value is a list by nature.

    Raises:
        ConfigError: A list or range is empty, or too long.
    """
    swept = [key for key, value in settings.items() if key not in literal and _stands_for_several(value)]
    options = [_options(document, (*at, key), settings[key]) for key in swept]
    for values in product(*options):
        chosen = dict(zip(swept, values, strict=True))
        yield Choice({**settings, **chosen}, [f"{key}={_word(value)}" for key, value in chosen.items()])


def literal_settings(cls: type[BaseModel], settings: Mapping[str, Any]) -> frozenset[str]:
    """The settings of a plugin that take their value as it stands, though it is a list or looks like a range.

    Keys that the plugin lacks are among them: an error names them later.
    """
    several = (key for key, value in settings.items() if _stands_for_several(value))
    return frozenset(key for key in several if _takes(cls, key, settings[key]))


def _takes(cls: type[BaseModel], key: str, value: Any) -> bool:
    field = cls.model_fields.get(key)
    if field is None or field.annotation is None:
        return True
    try:
        TypeAdapter(field.annotation).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError:
        return False
    return True


def _stands_for_several(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and RANGE.fullmatch(value) is not None)


def _options(document: Document, at: Location, value: Any) -> list[Any]:
    if isinstance(value, list):
        if not value:
            raise document.error("an empty list leaves no arm", *at)
        options: list[Any] = []
        for item in value:
            options += _options(document, at, item)
            if len(options) > MAX_VALUES:
                raise document.error(f"more than {MAX_VALUES} values", *at)
        return options
    if match := RANGE.fullmatch(value) if isinstance(value, str) else None:
        first, last = int(match[1]), int(match[2])
        if not 0 <= last - first < MAX_VALUES:
            raise document.error(f"the range {value} is empty or has more than {MAX_VALUES} values", *at)
        return list(range(first, last + 1))
    return [value]


def _word(value: Any) -> str:
    return _NOT_IN_A_LABEL.sub("-", json.dumps(value, ensure_ascii=False).strip('"')).strip("-") or "-"
