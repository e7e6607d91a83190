"""Prompt files in WISE's format: a JSON list of items with their number, category and reference answer.

Every item is checked before anything runs. The number of an item decides its category, as in the published programs.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.hashing import digest
from evalharness._util.json_text import require_json
from evalharness._util.regular_files import open_regular
from evalharness._util.validation import error_line
from evalharness.assets.asset import Asset, find_cached
from evalharness.errors import ConfigError
from evalharness.types.item import Item

CATEGORIES = ("culture", "time", "space", "biology", "physics", "chemistry")
LABELS = dict(zip(("cultural knowledge", *CATEGORIES[1:4], "physical knowledge", "chemistry"), CATEGORIES, strict=True))
"""The files' names of the categories, in lower case. The files have other names as well, such as "Ecology"."""
MAX_BYTES = 16 << 20
NAMED = 5
"""Number of missing ids that an error lists."""

File = tuple[str, bytes]
"""The name of a file for error messages, and its bytes."""
Ids = Mapping[str, range]
"""Category → the numbers of its items."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prompt_id: int = Field(ge=1)
    Prompt: str = Field(min_length=1)
    Explanation: str = Field(min_length=1)
    Category: str
    Subcategory: str = ""


def fetched(assets: Sequence[Asset], benchmark: str) -> list[File]:
    """Read the files that ``evalharness fetch`` downloaded.

    Raises:
        ConfigError: A file has not been fetched.
    """
    paths = [find_cached(asset) for asset in assets]
    for asset, path in zip(assets, paths, strict=True):
        if path is None:
            raise ConfigError(
                f"the prompts of {benchmark} are not here ({asset.path} is missing): get them by `evalharness fetch "
                f"{benchmark}`, or name a folder that has them with the key 'prompts'"
            )
    return [(str(path), _read(path)) for path in paths if path is not None]


def of_user(path: Path, sets: Iterable[Sequence[str]]) -> list[File]:
    """Read a file, or the files of a folder.

    Args:
        path: A file or a folder.
        sets: Alternative sets of file names; a folder must have all files of one set.

    Raises:
        ConfigError: The folder has no complete set, or a file cannot be read.
    """
    if not path.is_dir():
        return [(str(path), _read(path))]
    choices = [list(names) for names in sets]
    for names in choices:
        if all((path / name).is_file() for name in names):
            return [(str(path / name), _read(path / name)) for name in names]
    missing = [name for name in choices[0] if not (path / name).is_file()]
    raise ConfigError(f"{path} lacks {', '.join(missing)}, which the prompts are read from")


def items(files: Sequence[File], ids: Ids) -> list[Item]:
    """Parse the items of all files, in the order of their numbers. The metadata of an item is its entry in the file.

    Raises:
        ConfigError: An item is malformed, repeated, missing, or of no category; the message names file and item.
    """
    first: dict[int, str] = {}
    parsed: list[Item] = []
    for name, data in files:
        for place, line in _lines(data, name):
            number = line["prompt_id"]
            if number in first:
                raise ConfigError(f"{place}: prompt_id {number} stands already in {first[number]}")
            first[number] = place
            parsed.append(Item(str(number), line["Prompt"], _category(line, ids, place), line))
    missing = [number for numbers in ids.values() for number in numbers if number not in first]
    if missing:
        some = f"{', '.join(map(str, missing[:NAMED]))}{', …' if len(missing) > NAMED else ''}"
        raise ConfigError(f"{', '.join(name for name, _ in files)}: {len(missing)} prompt_ids are missing: {some}")
    return sorted(parsed, key=lambda item: int(item.id))


def content_digest(items: Iterable[Item]) -> str:
    """Digest of the items' content, whatever the number and the formatting of their files."""
    return digest([dict(item.metadata) for item in items])


def _category(line: Mapping[str, Any], ids: Ids, place: str) -> str:
    number = line["prompt_id"]
    category = next((name for name, numbers in ids.items() if number in numbers), None)
    if category is None:
        ends = (
            f"{min(numbers.start for numbers in ids.values())} to {max(numbers.stop for numbers in ids.values()) - 1}"
        )
        raise ConfigError(f"{place}: prompt_id {number} is none of {ends}")
    label = LABELS.get(line["Category"].strip().lower(), category)
    if label != category:
        raise ConfigError(
            f"{place}: Category is {line['Category']!r}, but prompt_id {number} is of {category}; "
            "are these the prompts of another version of WISE?"
        )
    return category


def _lines(data: bytes, name: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Give each item of a file with its place."""
    raw = require_json(data.removeprefix(codecs.BOM_UTF8), name)
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{name} is not a JSON list of items, as WISE's prompt files are")
    for number, entry in enumerate(raw, 1):
        place = f"{name} item {number}"
        yield place, _checked(entry, place)


def _checked(entry: Any, place: str) -> dict[str, Any]:
    try:
        return _Line.model_validate(entry).model_dump()
    except ValidationError as error:
        raise ConfigError(f"{place}: {error_line(error, _Line)}") from None


def _read(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the WISE prompts {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES >> 20} MiB, which no file of WISE prompts is")
    return data
