"""Pydantic's validation errors as one line for the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from evalharness.errors import did_you_mean

T = TypeVar("T")
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """The first thing that is wrong with some data.

    Attributes:
        kind: Pydantic's type of the error, such as ``missing``.
        location: Keys and list positions that lead to the value. Where a value may be of several types, pydantic adds
            the name of the type.
        message: What is wrong, without the location, beginning in lower case.
        value: The value that is wrong.
        count: The total number of mistakes.
    """

    kind: str
    location: Location
    message: str
    value: Any
    count: int

    @property
    def line(self) -> str:
        """The message after its place: ``a.b.0: message``."""
        names_key = self.kind in ("extra_forbidden", "missing")
        place = ".".join(map(str, self.location[:-1] if names_key else self.location))
        return f"{place}: {self.message}" if place else self.message


def first_mistake(error: ValidationError, model: type[BaseModel] | None = None, more: Iterable[str] = ()) -> Mistake:
    """Choose the mistake to report: an unknown key if there is one, since other mistakes often follow from it.

    Args:
        error: The error that pydantic raised.
        model: The class that was validated; for an unknown key, the nearest of its keys is suggested.
        more: Further keys that are valid at the top level.
    """
    details = error.errors(include_url=False)
    first = min(details, key=lambda detail: (detail["type"] != "extra_forbidden", len(detail["loc"])))
    location = first["loc"]
    if first["type"] == "extra_forbidden":
        known = [*_fields(model, location[:-1]), *(more if len(location) == 1 else ())]
        message = f"unknown key {str(location[-1])!r}{did_you_mean(str(location[-1]), known)}"
    elif first["type"] == "missing":
        message = f"key {str(location[-1])!r} is missing"
    else:
        text = first["msg"].removeprefix("Value error, ")
        message = text[:1].lower() + text[1:]
    return Mistake(first["type"], location, message, first["input"], len(details))


def error_line(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first mistake as one line, with its place. ``model``: see :func:`first_mistake`."""
    return first_mistake(error, model).line


def _fields(model: type[BaseModel] | None, location: Location) -> list[str]:
    """The valid keys at a location inside a model."""
    if model is None:
        return []
    current = model
    for step in location:
        annotation = current.model_fields[step].annotation if step in current.model_fields else None
        for kind in (annotation, *get_args(annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                current = kind
    return [field.alias or name for name, field in current.model_fields.items()]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def converted(kind: Callable[..., T], data: Any) -> T:
    """A value of a type, such as a dataclass, for which numbers and mappings may be converted.

    Raises:
        ValueError: The data is of another type; the message is one line.
    """
    try:
        value: T = _adapter(kind).validate_python(data)
    except ValidationError as error:
        raise ValueError(first_mistake(error).line) from error
    return value
