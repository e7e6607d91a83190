"""Reads manifests: lists of image files with their prompts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalharness._util.json_text import require_json
from evalharness._util.regular_files import require_text
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError
from evalharness.models.folder_index import Entry, plain_id


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str = Field(min_length=1)
    item: str | None = None
    prompt: str | None = None
    index: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _has_owner(self) -> _Row:
        if self.item is None and self.prompt is None:
            raise ValueError("an item or a prompt must say whose image it is")
        return self


def read_manifest(manifest: Path, folder: Path) -> list[Entry]:
    """Read a manifest: CSV with a header, or JSON Lines.

    The keys are ``file``, ``item`` (id) or ``prompt`` or both, and ``index`` (0 by default). Links are followed, as in
    the layouts.

    Raises:
        ConfigError: a line is invalid, names a path outside ``folder``, or repeats another line; the message has the
            number of the line.
    """
    rows = _csv_rows(manifest) if manifest.suffix.lower() == ".csv" else _json_rows(manifest)
    first_lines: dict[tuple[str | None, str | None, int], int] = {}
    entries: list[Entry] = []
    for line, raw in rows:
        location = f"{manifest} line {line}"
        row = _parse_row(raw, location)
        if not _is_below(row.file):
            raise ConfigError(f"{location}: {row.file!r} leads out of {folder}; only files below it are read")
        item = None if row.item is None else plain_id(row.item)
        first_line = first_lines.setdefault((item, row.prompt, row.index), line)
        if first_line != line:
            raise ConfigError(
                f"{location}: item, prompt and index are those of line {first_line}; give it another index"
            )
        entries.append(Entry(row.file, row.index, row.item, row.prompt))
    if not entries:
        raise ConfigError(f"{manifest} names no images")
    return entries


def _is_below(name: str) -> bool:
    """Whether a path stays below the folder that it starts from."""
    path, depth = PurePosixPath(name), 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return not path.is_absolute() and "\0" not in name


def _parse_row(raw: Any, location: str) -> _Row:
    if not isinstance(raw, dict):
        raise ConfigError(f"{location}: not a JSON object")
    try:
        return _Row.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{location}: {error_line(error, _Row)}") from None


def _json_rows(manifest: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(require_text(manifest).split("\n"), 1):
        if line.strip():
            yield number, require_json(line, f"{manifest} line {number}")


def _csv_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(require_text(manifest)), restkey="(more)", restval="")
    try:
        for row in reader:
            yield reader.line_num, {key: value for key, value in row.items() if value != ""}
    except csv.Error as error:
        raise ConfigError(f"{manifest} after line {reader.line_num} is not CSV: {error}") from None
