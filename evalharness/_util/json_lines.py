"""The lines of JSON Lines, as all readers take them: with or without a byte order mark, and blank ones left out."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator


def numbered_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number, from 1."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.strip():
            yield number, text
