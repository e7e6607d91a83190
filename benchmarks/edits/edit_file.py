"""Files of edits: a line of JSON for each, with an instruction and the picture that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.file_digests import file_digest
from evalharness._util.validation import error_line
from evalharness.errors import ConfigError, WeightsError
from evalharness.types.item import Item, PromptImage


class Line(BaseModel):
    """``image``: a PNG, JPEG or WebP file, relative to the file's folder. ``id``: by default the line's number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str = Field(pattern=r"\S")
    image: Path
    id: str | None = Field(default=None, pattern=r"^[\w.-]+$")
    category: str = Field(default="edits", pattern=r"\S")


def read(path: Path) -> list[Item]:
    """The items of a file.

    Raises:
        ConfigError: with the line that is at fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
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
        where = f"{path}:{number}"
        line = _line(raw, where)
        name = line.id or f"{number:05d}"
        if name in seen:
            raise ConfigError(f"{where}: the id {name!r} stands twice")
        seen.add(name)
        file = path.parent / line.image
        try:
            digest = file_digest(file)
        except WeightsError as error:
            raise ConfigError(f"{where}: {error}") from None
        metadata = {"prompt": line.prompt, "image": digest}
        yield Item(name, line.prompt, line.category, metadata, PromptImage(file, digest))


def _line(raw: str, where: str) -> Line:
    try:
        return Line.model_validate_json(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {error_line(error, Line)}") from None
