"""Reads trajectories from Parquet files, JSON Lines, or the store of a run.

Rows are dictionaries with ``prompt`` and ``steps``, optionally ``finished``, ``format``, ``id`` and ``provenance``. A
step has ``kind``, ``iteration``, ``text`` and ``image``: a PNG file as bytes, as ``{"bytes": …}``, as a ``data:`` URL,
or as the path of a file beside the rows. Rows are not checked here; that is done by
:mod:`evalharness.training_data.trajectory_checks`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness._util.json_lines import numbered_lines
from evalharness._util.json_text import require_json
from evalharness._util.regular_files import open_regular, read_regular
from evalharness.errors import ConfigError, StoreError
from evalharness.store.database import FILE
from evalharness.store.find_run import is_store
from evalharness.training_data.parquet import parquet_rows
from evalharness.types.trajectory import within_cap

DATA_URL = "data:image/png;base64,"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with its file and its name in the file. A step's ``image`` is bytes, ``None``, or :class:`Unreadable`."""

    file: Path
    name: str
    row: Any


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that could not be read, and why."""

    reason: str


def entries(path: Path) -> Iterator[Entry]:
    """Give all rows of a file, of a data set's folder, or of a store.

    Raises:
        ConfigError: The path is none of these, or a file cannot be read.
    """
    if path.is_dir():
        if is_store(path):
            yield from _store(path)
            return
        files = sorted(file for kind in ("parquet", "jsonl") for file in path.glob(f"*.{kind}"))
        if not files:
            raise ConfigError(f"{path} holds neither *.parquet nor *.jsonl, nor is it the store of a run")
        for file in files:
            yield from entries(file)
    elif path.name == FILE:
        yield from _store(path.parent)
    elif not path.is_file():
        raise ConfigError(f"no file or folder {path}")
    elif path.suffix == ".parquet":
        yield from _parquet(path)
    elif path.suffix in (".jsonl", ".json"):
        yield from _json_lines(path)
    else:
        raise ConfigError(f"{path}: trajectories are *.parquet, *.jsonl, or the store of a run")


def _parquet(path: Path) -> Iterator[Entry]:
    for number, row in enumerate(parquet_rows(path), 1):
        yield Entry(path, _name(row, f"row {number}"), _with_images(row, path.parent))


def _json_lines(path: Path) -> Iterator[Entry]:
    try:
        with open_regular(path) as lines:
            for number, raw in numbered_lines(lines):
                row = require_json(raw.decode("utf-8"), f"{path} line {number}")
                yield Entry(path, _name(row, f"line {number}"), _with_images(row, path.parent))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None


def _store(path: Path) -> Iterator[Entry]:
    from evalharness.store.spoken_formats import StoredFormats
    from evalharness.store.store import Store

    try:
        with Store(path, write=False) as store:
            formats = StoredFormats(store)
            for key, kept in store.trajectories.all():
                variant = kept["variant"]
                cap = None if kept["finished"] else kept["cap"]
                whole = [step for step in kept["steps"] if within_cap(step["iteration"], cap)]
                if not whole:
                    continue  # a run was killed in its first iteration
                steps = [{**step, "image": _kept_image(store, step["image"])} for step in whole]
                row = {**kept, "steps": steps, "format": formats.of(kept["model"], variant), "variant": variant}
                yield Entry(path, f"{key[:12]} ({kept['prompt'][:60]})", row)
    except StoreError as error:
        raise ConfigError(str(error)) from None


def _kept_image(store: Any, digest: str | None) -> bytes | Unreadable | None:
    if digest is None:
        return None
    try:
        data: bytes = store.images.read(digest)
        return data
    except StoreError as error:
        return Unreadable(str(error))


def _name(row: Any, otherwise: str) -> str:
    name = row.get("id") if isinstance(row, dict) else None
    return str(name) if name else otherwise


def _with_images(row: Any, folder: Path) -> Any:
    if not isinstance(row, dict) or not isinstance(row.get("steps"), list):
        return row
    steps = [
        {**step, "image": _image(step.get("image"), folder)} if isinstance(step, dict) else step
        for step in row["steps"]
    ]
    return {**row, "steps": steps}


def _image(value: Any, folder: Path) -> bytes | Unreadable | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        inner = value.get("bytes")
        return _image(inner if inner is not None else value.get("path"), folder)
    if not isinstance(value, str):
        return Unreadable(f"it is neither bytes nor a path, but {type(value).__name__}")
    if value.startswith(DATA_URL):
        try:
            return base64.b64decode(value.removeprefix(DATA_URL), validate=True)
        except (binascii.Error, ValueError):
            return Unreadable("its data URL is not base64")
    try:
        file = (folder / value).resolve()
        if not file.is_relative_to(folder.resolve()):
            return Unreadable(f"{value!r} is outside the folder of the rows")
        return read_regular(file)
    except OSError as error:
        return Unreadable(f"{value!r}: {error.strerror}")
    except (ValueError, RuntimeError):  # what no file system takes, and links that lead in a circle
        return Unreadable(f"{value!r} is no path of a file")
