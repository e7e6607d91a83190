"""Takes stated values out of a judge's answer, for all benchmarks that read answers strictly.

A statement is a name, a colon or nothing, and a value from a given set, such as ``Score: 1``. Nothing is guessed, and
the time is linear in the length of the answer, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

BETWEEN = re.compile(r"\*{,2}+\s*+(?:[:\uff1a]\s*+)?")
"""What may stand between name and value: two asterisks, then a colon, which may be the full-width
one."""
MARKED = re.compile(r"\**\s*+[:\uff1a]\s*+\**\s*+")
"""The same for a name that may be set in bold together with its colon."""
MORE = re.compile(r"[\d%]")
MOST_DIGITS = 6
"""Digits of a value; a longer number is none."""


def statements(
    lines: Sequence[str], names: Sequence[str], values: Collection[str], between: re.Pattern[str] = BETWEEN
) -> Iterator[tuple[str, str | None]]:
    """Give each name, in lower case, with the value after it; ``None`` if that is not a valid value on its own.

    Args:
        lines: The lines of the answer.
        names: The names, in lower case.
        values: The values that a name may have.
        between: What may stand between name and value.
    """
    label = re.compile(rf"(?<!\w)({'|'.join(names)})([^\w]*+)([0-9]{{1,{MOST_DIGITS}}})", re.IGNORECASE)
    for line in lines:
        matches = list(label.finditer(line))
        for match, following in zip_longest(matches, matches[1:]):
            rest = line[match.end() : following.start() if following else len(line)]
            proper = between.fullmatch(match[2]) and match[3] in values
            alone = not re.match(r"\w", rest) and not MORE.search(rest)
            yield match[1].lower(), match[3] if proper and alone else None


def agreed(stated: Iterator[tuple[str, str | None]], names: Collection[str]) -> dict[str, int] | None:
    """The value of each name; ``None`` if one has none, contradictory values, or what is no value."""
    values: dict[str, str] = {}
    for name, value in stated:
        if value is None or values.setdefault(name, value) != value:
            return None
    return {name: int(values[name]) for name in names} if values.keys() == set(names) else None
