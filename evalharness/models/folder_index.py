"""Maps image files to prompts, by GenEval's folder layout, by WISE's, or by a manifest."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalharness._util.validation import error_line
from evalharness.errors import ConfigError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
NUMBERED = re.compile(r"([0-9]{1,9})\.\w+")


@dataclass(frozen=True, slots=True)
class Entry:
    """An image file.

    Attributes:
        name: path relative to the folder.
        index: number among the images of its prompt.
        item: id of the item, if stated.
        prompt: if stated.
    """

    name: str
    index: int
    item: str | None
    prompt: str | None


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name; it may still be unreadable."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


# --- Layouts ---


def is_flat(folder: Path) -> bool:
    """Whether a folder has WISE's layout, ``ID.png``, and not GenEval's, which has a folder per prompt.

    Raises:
        ConfigError: there is no such folder.
    """
    return not any((numbered / "samples").is_dir() for numbered in _numbered_folders(folder))


def read_layout(folder: Path) -> list[Entry]:
    """Read GenEval's layout or WISE's.

    GenEval's is ``NNNNN/samples/NNNN.png`` with ``NNNNN/metadata.jsonl``, which states the prompt; without that file,
    NNNNN is the item's id. WISE's is ``ID.png``, with a number for an id.

    Raises:
        ConfigError: the folder is missing or holds no images, or a metadata.jsonl is invalid.
    """
    entries = _read_flat(folder) if is_flat(folder) else _read_folders(folder)
    if not entries:
        raise ConfigError(
            f"{folder} holds no NNNNN/samples/NNNN.png and no ID.png; for files in another order name a 'manifest'"
        )
    return entries


def images_of_layout(folder: Path) -> Iterator[str]:
    """The names of all images in ``samples`` folders, or in the folder itself."""
    for path in sorted(folder.glob("*" if is_flat(folder) else "*/samples/*")):
        if is_image(path):
            yield path.relative_to(folder).as_posix()


def _read_flat(folder: Path) -> list[Entry]:
    numbers = {path: NUMBERED.fullmatch(path.name) for path in sorted(folder.glob("*")) if is_image(path)}
    by_id: dict[str, Entry] = {}
    for path, number in numbers.items():
        if number:
            by_id.setdefault(number[1], Entry(path.name, 0, number[1], None))
    return list(by_id.values())


def _read_folders(folder: Path) -> list[Entry]:
    return [entry for numbered in _numbered_folders(folder) for entry in _entries(folder, numbered)]


def _numbered_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    except OSError as error:
        raise ConfigError(f"cannot read the folder of images {folder}: {error.strerror}") from None


def _entries(folder: Path, numbered: Path) -> Iterator[Entry]:
    prompt = _read_prompt(numbered / "metadata.jsonl")
    seen: set[int] = set()
    for path in sorted((numbered / "samples").glob("*")):
        number = NUMBERED.fullmatch(path.name)
        if number and is_image(path) and int(number[1]) not in seen:
            seen.add(int(number[1]))
            yield Entry(path.relative_to(folder).as_posix(), int(number[1]), numbered.name, prompt)


def _read_prompt(path: Path) -> str | None:
    """The prompt in a metadata.jsonl, or ``None`` if there is no such file."""
    if not path.exists():
        return None
    metadata = _parse_json(_read_text(path), str(path))
    prompt = metadata.get("prompt") if isinstance(metadata, dict) else None
    if not isinstance(prompt, str):
        raise ConfigError(f"{path} names no prompt; it should be one line of the prompt file")
    return prompt


# --- Manifests ---


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

    The keys are ``file``, ``item`` (id) or ``prompt`` or both, and ``index`` (0 by default).

    Raises:
        ConfigError: a line is invalid, names a file outside ``folder``, or repeats another line; the message has the
            number of the line.
    """
    rows = _csv_rows(manifest) if manifest.suffix.lower() == ".csv" else _json_rows(manifest)
    root = folder.resolve()
    first_lines: dict[tuple[str | None, str | None, int], int] = {}
    entries: list[Entry] = []
    for line, raw in rows:
        location = f"{manifest} line {line}"
        row = _parse_row(raw, location)
        if not _is_inside(root, row.file):
            raise ConfigError(f"{location}: {row.file!r} leads out of {folder}; only files below it are read")
        key = (row.item, row.prompt, row.index)
        first_line = first_lines.setdefault(key, line)
        if first_line != line:
            raise ConfigError(
                f"{location}: item, prompt and index are those of line {first_line}; give it another index"
            )
        entries.append(Entry(row.file, row.index, row.item, row.prompt))
    if not entries:
        raise ConfigError(f"{manifest} names no images")
    return entries


def _is_inside(root: Path, name: str) -> bool:
    """Whether a file is below ``root`` after following links."""
    try:
        return (root / name).resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte
        return False


def _parse_row(raw: Any, location: str) -> _Row:
    if not isinstance(raw, dict):
        raise ConfigError(f"{location}: not a JSON object")
    try:
        return _Row.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{location}: {error_line(error, _Row)}") from None


def _json_rows(manifest: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_read_text(manifest).split("\n"), 1):
        if line.strip():
            yield number, _parse_json(line, f"{manifest} line {number}")


def _csv_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(_read_text(manifest)), restkey="(more)", restval="")
    try:
        for row in reader:
            yield reader.line_num, {key: value for key, value in row.items() if value != ""}
    except csv.Error as error:
        raise ConfigError(f"{manifest} after line {reader.line_num} is not CSV: {error}") from None


def _parse_json(text: str, location: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{location} is not JSON: {error}") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text at byte {error.start}") from None
