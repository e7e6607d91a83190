"""Rows as they must be. A store may be damaged, or come from elsewhere: whatever is read from it is checked here."""

from __future__ import annotations

import math
import sqlite3
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from evalharness._util.finite_json import finite_json
from evalharness._util.validation import converted

T = TypeVar("T")
LATEST = 1 << 37
"""Seconds since 1970 that a calendar still has: the year 6325."""
_FLOATS = {2: "=e", 4: "=f"}
"""Bytes of a float → its format in :mod:`struct`."""


def checked(kind: Callable[..., T], data: Any, name: str) -> T:
    """A value of a type, for which numbers may be converted.

    Args:
        name: What the row is of, for the message.

    Raises:
        sqlite3.DatabaseError: The data is of another type.
    """
    try:
        return converted(kind, data)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"{name}: {error}") from error


def parse_json(text: Any) -> Any:
    """The value of a JSON column, in which every number is finite.

    Raises:
        sqlite3.DatabaseError: The column is damaged.
    """
    try:
        return finite_json(text)
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"a row is not JSON: {error}") from error


def parse_mapping(text: Any) -> dict[str, Any]:
    """The same of a column that holds a mapping."""
    return checked(dict[str, Any], parse_json(text), "a row")


def checked_origin(environment: Any, made: Any) -> None:
    """Check what a row keeps of where and when it was made, both ``None`` where that was not recorded.

    Raises:
        sqlite3.DatabaseError: It is no digest, or no time.
    """
    if not (environment is None or type(environment) is str):
        raise sqlite3.DatabaseError(f"an environment is {environment!r} in place of a digest")
    if not (made is None or (type(made) is int and 0 <= made < LATEST)):
        raise sqlite3.DatabaseError(f"a time is {made!r} in place of seconds since 1970")


def checked_score(row: Sequence[Any]) -> None:
    """Check all but the value of a score: key, value, reason, environment, time.

    Raises:
        sqlite3.DatabaseError: A column is of another type.
    """
    if not (type(row[0]) is str and type(row[2]) is str):
        raise sqlite3.DatabaseError(f"the reason of a score is {row[2]!r} in place of a text")
    checked_origin(row[3], row[4])


def score_value(value: Any) -> float:
    """A stored value as a number.

    Earlier versions stored the values of some scorers as they lie in memory: NumPy's numbers of 1, 2 and 4 bytes, and
    integers of 8. Since a value is in 0..1, an integer is 0 or 1, which no float in that range has the bytes of.

    Raises:
        sqlite3.DatabaseError: It is no number.
    """
    if isinstance(value, bytes):
        number = float(int.from_bytes(value, sys.byteorder)) if len(value) <= 8 else math.inf
        if number > 1 and len(value) in _FLOATS:
            (number,) = struct.unpack(_FLOATS[len(value)], value)
        if 0 <= number <= 1:
            return number
    elif isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise sqlite3.DatabaseError(f"a score is {value!r} in place of a number")
