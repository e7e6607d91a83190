"""Files of edits: JSON Lines, each line with an instruction and the picture to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.file_digests import file_digest
from evalharness._util.json_lines import checked_lines
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
    items = list(_items(path))
    if not items:
        raise ConfigError(f'{path} has no edits; a line is {{"prompt": …, "image": …}}')
    return items


def _items(path: Path) -> Iterator[Item]:
    seen: set[str] = set()
    for number, place, line in checked_lines(path, Line):
        name = line.id or f"{number:05d}"
        if name in seen:
            raise ConfigError(f"{place}: the id {name!r} stands twice")
        seen.add(name)
        file = path.parent / line.image
        try:
            below = file.resolve().is_relative_to(path.parent.resolve())
        except (ValueError, RuntimeError):  # what no file system takes, and links that lead in a circle
            raise ConfigError(f"{place}: the image {str(line.image)!r} is no path of a file") from None
        if not below:
            raise ConfigError(f"{place}: the image {str(line.image)!r} is outside the folder of the file")
        try:
            digest = file_digest(file)
        except WeightsError as error:
            raise ConfigError(f"{place}: {error}") from None
        metadata = {"prompt": line.prompt, "image": digest}
        yield Item(name, line.prompt, line.category, metadata, PromptImage(file, digest))
