"""Which image file is of which prompt: read from GenEval's folder layout, from WISE's, or from a manifest."""

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
    """An image file: its name in the folder, its number among its prompt's images, and whose it is said to be."""

    name: str
    index: int
    item: str | None
    prompt: str | None


def is_image(path: Path) -> bool:
    """By its name; whether it can be read is another question."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


# --- the official layouts ---


def is_flat(folder: Path) -> bool:
    """Whether its images lie in it as ``ID.png``, which is WISE's layout, and not in folders, which is GenEval's.

    Raises:
        ConfigError: there is no such folder.
    """
    return not any((own / "samples").is_dir() for own in _numbered_folders(folder))


def read_layout(folder: Path) -> list[Entry]:
    """``NNNNN/samples/NNNN.png`` with ``NNNNN/metadata.jsonl``; without the latter, NNNNN is the item's id. Or
    ``ID.png``, the item's id being a number.

    Raises:
        ConfigError: there is no such folder, nothing in it, or a metadata.jsonl that is none.
    """
    entries = _flat(folder) if is_flat(folder) else _in_folders(folder)
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


def _flat(folder: Path) -> list[Entry]:
    numbers = {path: NUMBERED.fullmatch(path.name) for path in sorted(folder.glob("*")) if is_image(path)}
    found: dict[str, Entry] = {}
    for path, number in numbers.items():
        if number:
            found.setdefault(number[1], Entry(path.name, 0, number[1], None))
    return list(found.values())


def _in_folders(folder: Path) -> list[Entry]:
    return [entry for own in _numbered_folders(folder) for entry in _entries(folder, own)]


def _numbered_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    except OSError as error:
        raise ConfigError(f"cannot read the folder of images {folder}: {error.strerror}") from None


def _entries(folder: Path, own: Path) -> Iterator[Entry]:
    prompt = _prompt(own / "metadata.jsonl")
    seen: set[int] = set()
    for path in sorted((own / "samples").glob("*")):
        number = NUMBERED.fullmatch(path.name)
        if number and is_image(path) and int(number[1]) not in seen:
            seen.add(int(number[1]))
            yield Entry(path.relative_to(folder).as_posix(), int(number[1]), own.name, prompt)


def _prompt(path: Path) -> str | None:
    """The prompt that a metadata.jsonl names."""
    if not path.exists():
        return None
    metadata = _json(_text(path), str(path))
    prompt = metadata.get("prompt") if isinstance(metadata, dict) else None
    if not isinstance(prompt, str):
        raise ConfigError(f"{path} names no prompt; it should be one line of the prompt file")
    return prompt


# --- manifests ---


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str = Field(min_length=1)
    item: str | None = None
    prompt: str | None = None
    index: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _of_something(self) -> _Row:
        if self.item is None and self.prompt is None:
            raise ValueError("an item or a prompt must say whose image it is")
        return self


def read_manifest(manifest: Path, folder: Path) -> list[Entry]:
    """CSV with a header, else JSON Lines: ``file``, ``item`` (id) or ``prompt`` or both, ``index`` (0 by default).

    Raises:
        ConfigError: with the line at fault; so is one whose file lies outside ``folder``, or that repeats another.
    """
    rows = _csv_rows(manifest) if manifest.suffix.lower() == ".csv" else _json_rows(manifest)
    root = folder.resolve()
    first: dict[tuple[str | None, str | None, int], int] = {}
    entries: list[Entry] = []
    for line, raw in rows:
        where = f"{manifest} line {line}"
        row = _row(raw, where)
        if not _inside(root, row.file):
            raise ConfigError(f"{where}: {row.file!r} leads out of {folder}; only files below it are read")
        key = (row.item, row.prompt, row.index)
        if first.setdefault(key, line) != line:
            raise ConfigError(f"{where}: item, prompt and index are those of line {first[key]}; give it another index")
        entries.append(Entry(row.file, row.index, row.item, row.prompt))
    if not entries:
        raise ConfigError(f"{manifest} names no images")
    return entries


def _inside(root: Path, name: str) -> bool:
    """Whether a file lies below ``root`` once links are followed."""
    try:
        return (root / name).resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte
        return False


def _row(raw: Any, where: str) -> _Row:
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: not a JSON object")
    try:
        return _Row.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {error_line(error, _Row)}") from None


def _json_rows(manifest: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_text(manifest).split("\n"), 1):
        if line.strip():
            yield number, _json(line, f"{manifest} line {number}")


def _csv_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(_text(manifest)), restkey="(more)", restval="")
    try:
        for row in reader:
            yield reader.line_num, {key: value for key, value in row.items() if value != ""}
    except csv.Error as error:
        raise ConfigError(f"{manifest} after line {reader.line_num} is not CSV: {error}") from None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not JSON: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text at byte {error.start}") from None
