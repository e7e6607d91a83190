"""Maps image files to prompts: by GenEval's folder layout, by WISE's, or by a pattern of their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from evalharness._util.json_text import require_json
from evalharness._util.regular_files import require_text
from evalharness.errors import ConfigError
from evalharness.models.folder_pattern import FilePattern

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
NUMBERED = re.compile(r"([0-9]+)\.\w+")


@dataclass(frozen=True, slots=True)
class Entry:
    """An image file.

    Attributes:
        name: path relative to the folder.
        index: place among the images of its prompt, from 0.
        item: id of the item, if stated.
        prompt: if stated.
    """

    name: str
    index: int
    item: str | None
    prompt: str | None


class Listing(NamedTuple):
    """The files of a folder; ``by_number`` says whether the numbers in their names are their indices."""

    entries: list[Entry]
    by_number: bool


class _NumberedFile(NamedTuple):
    """An image file with the number in its name."""

    name: str
    number: int
    item: str | None
    prompt: str | None


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name; it may still be unreadable. Hidden ones (``._*`` of macOS) are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def plain_id(name: str) -> str:
    """An item's id without zeros in front of a number: folders and files are numbered with and without.

    >>> plain_id("00012"), plain_id("000"), plain_id("a01")
    ('12', '0', 'a01')
    """
    return name.lstrip("0") or "0" if name.isascii() and name.isdigit() else name


# --- Layouts ---


def is_flat(folder: Path) -> bool:
    """Whether a folder has WISE's layout, ``ID.png``, and not GenEval's, which has a folder per prompt.

    Raises:
        ConfigError: there is no such folder.
    """
    return not any((numbered / "samples").is_dir() for numbered in _numbered_folders(folder))


def read_layout(folder: Path) -> Listing:
    """Read GenEval's layout or WISE's, as the published programs do: links are followed, wherever they lead.

    GenEval's is ``NNNNN/samples/NUMBER.png`` with ``NNNNN/metadata.jsonl``, which states the prompt; without that file,
    NNNNN is the item's id. WISE's is ``ID.png``, with a number for an id.

    Raises:
        ConfigError: the folder is missing or holds no images, or a metadata.jsonl is invalid.
    """
    listing = _indexed(_read_flat(folder) if is_flat(folder) else _read_folders(folder))
    if not listing.entries:
        raise ConfigError(
            f"{folder} holds no NNNNN/samples/NUMBER.png and no ID.png; for files with other names give a 'pattern' of "
            "them or a 'manifest'"
        )
    return listing


def images_of_layout(folder: Path) -> Iterator[str]:
    """The names of all images in ``samples`` folders, or in the folder itself."""
    for path in sorted(folder.glob("*" if is_flat(folder) else "*/samples/*")):
        if is_image(path):
            yield path.relative_to(folder).as_posix()


def read_pattern(folder: Path, pattern: FilePattern) -> Listing:
    """Read the files whose names have a pattern.

    Raises:
        ConfigError: the folder is missing, or there are none.
    """
    files = []
    if not folder.is_dir():
        raise ConfigError(f"cannot read the folder of images {folder}: there is no such folder")
    for path in folder.glob(pattern.glob):
        name = path.relative_to(folder).as_posix()
        fields = pattern.match(name)
        if fields is not None and is_image(path):
            item = fields.get("item")
            number = int(fields.get("sample", 0))
            files.append(_NumberedFile(name, number, None if item is None else plain_id(item), fields.get("prompt")))
    if not files:
        raise ConfigError(f"{folder} holds no images with names like {pattern.text}")
    return _indexed(files)


def _read_flat(folder: Path) -> Iterator[_NumberedFile]:
    for path in folder.glob("*"):
        number = NUMBERED.fullmatch(path.name)
        if number and is_image(path):
            yield _NumberedFile(path.name, 0, plain_id(number[1]), None)


def _read_folders(folder: Path) -> Iterator[_NumberedFile]:
    for numbered in _numbered_folders(folder):
        prompt = _read_prompt(numbered / "metadata.jsonl")
        for path in (numbered / "samples").glob("*"):
            number = NUMBERED.fullmatch(path.name)
            if number and is_image(path):
                name = path.relative_to(folder).as_posix()
                yield _NumberedFile(name, int(number[1]), numbered.name, prompt)


def _numbered_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    except OSError as error:
        raise ConfigError(f"cannot read the folder of images {folder}: {error.strerror}") from None


def _indexed(files: Iterable[_NumberedFile]) -> Listing:
    """Number the images of each prompt from 0.

    The numbers in the names are used if no prompt has one that is too high for the most images that a prompt has, so
    that a missing image leaves a gap. Any other numbering, such as from 1 or by seeds, only gives the order. A PNG wins
    over a JPEG of the same name.
    """
    by_owner: dict[tuple[str | None, str | None], dict[str, _NumberedFile]] = defaultdict(dict)
    for file in sorted(files, key=_order):
        by_owner[file.item, file.prompt].setdefault(_stem(file.name), file)
    groups = [list(group.values()) for group in by_owner.values()]
    most = max(map(len, groups), default=0)
    by_number = all(group[-1].number < most and len({file.number for file in group}) == len(group) for group in groups)
    entries = [
        Entry(file.name, file.number if by_number else place, file.item, file.prompt)
        for group in groups
        for place, file in enumerate(group)
    ]
    return Listing(entries, by_number)


def _order(file: _NumberedFile) -> tuple[int, int, str, bool, str]:
    """By number, then the shorter name, then PNG before others."""
    stem = _stem(file.name)
    return file.number, len(stem), stem, not file.name.lower().endswith(".png"), file.name


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _read_prompt(path: Path) -> str | None:
    """The prompt in a metadata.jsonl, or ``None`` if there is no such file."""
    if not path.exists():
        return None
    metadata = require_json(require_text(path), str(path))
    prompt = metadata.get("prompt") if isinstance(metadata, dict) else None
    if not isinstance(prompt, str):
        raise ConfigError(f"{path} names no prompt; it should be one line of the prompt file")
    return prompt
