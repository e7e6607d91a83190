"""The lines of JSON Lines, as all readers take them: with or without a byte order mark, and blank ones left out."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from evalharness._util.regular_files import require_text
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError

L = TypeVar("L", bound=BaseModel)


def numbered_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, with its number, from 1."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.strip():
            yield number, text


def checked_lines(path: Path, kind: type[L]) -> Iterator[tuple[int, str, L]]:
    """Each line of a file that is not blank: its number, from 1, its place for messages, and its checked contents.

    Raises:
        ConfigError: The file cannot be read, or a line is not of this kind; the message names the line.
    """
    for number, text in enumerate(require_text(path).split("\n"), 1):
        if text.strip():
            place = f"{path}:{number}"
            try:
                line = kind.model_validate_json(text)
            except ValidationError as error:
                raise ConfigError(f"{place}: {error_line(error, kind)}") from None
            yield number, place, line
