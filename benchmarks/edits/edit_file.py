"""Files of edits: JSON Lines, each line with an instruction and the picture to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.file_digests import file_digest
from evalharness._util.regular_files import read_regular_text
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError, WeightsError
from evalharness.types.item import Item, PromptImage


class Line(BaseModel):
    """A line of the file.

    Attributes:
        prompt: The instruction.
        image: A PNG, JPEG or WebP file; its path is relative to the folder of the file of edits.
        id: By default the number of the line.
        category: The category that the score counts for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str = Field(pattern=r"\S")
    image: Path
    id: str | None = Field(default=None, pattern=r"^[\w.-]+$")
    category: str = Field(default="edits", pattern=r"\S")


def read(path: Path) -> list[Item]:
    """Read the items of a file.

    Raises:
        ConfigError: The file or a line is invalid; the message names the line.
    """
    try:
        text = read_regular_text(path, "utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    items = list(_items(text, path))
    if not items:
        raise ConfigError(f'{path} has no edits; a line is {{"prompt": …, "image": …}}')
    return items


def _items(text: str, path: Path) -> Iterator[Item]:
    seen: set[str] = set()
    for number, raw in enumerate(text.split("\n"), 1):
        if not raw.strip():
            continue
        place = f"{path}:{number}"
        line = _line(raw, place)
        name = line.id or f"{number:05d}"
        if name in seen:
            raise ConfigError(f"{place}: the id {name!r} stands twice")
        seen.add(name)
        file = path.parent / line.image
        if not file.resolve().is_relative_to(path.parent.resolve()):
            raise ConfigError(f"{place}: the image {str(line.image)!r} is outside the folder of the file")
        try:
            digest = file_digest(file)
        except WeightsError as error:
            raise ConfigError(f"{place}: {error}") from None
        metadata = {"prompt": line.prompt, "image": digest}
        yield Item(name, line.prompt, line.category, metadata, PromptImage(file, digest))


def _line(raw: str, place: str) -> Line:
    try:
        return Line.model_validate_json(raw)
    except ValidationError as error:
        raise ConfigError(f"{place}: {error_line(error, Line)}") from None
