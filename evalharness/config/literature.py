"""Published scores, quoted beside measured ones. They come from files that give a source for each score.

    - benchmark: geneval
      rows:
        - {name: "BAGEL", score: 0.82, source: "arXiv 2505.14683, table 5", note: "original prompts"}

``benchmark`` is the benchmark's name in a sweep file. A row may also have ``low`` and ``high`` (an interval) and
``categories`` if the source gives them. The file that comes with evalharness is called ``paper``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness._util.validation import first_mistake
from evalharness.config import yaml
from evalharness.config.yaml import Document
from evalharness.errors import ConfigError, did_you_mean

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class PublishedScore(BaseModel):
    """A published score in 0..1 with its source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    score: Share
    source: Text
    low: Share | None = None
    high: Share | None = None
    categories: dict[str, Share] = {}
    note: str = ""


class Section(BaseModel):
    """The published scores on one benchmark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: Text
    rows: Annotated[list[PublishedScore], Field(min_length=1)]


def shipped() -> list[str]:
    """The names of the files that come with evalharness."""
    return sorted(path.stem for path in _shipped_folder().glob("*.yaml"))


def resolve(document: Document, entry: str | Sequence[str]) -> tuple[str, ...]:
    """Check the files that a sweep file names. Relative paths are relative to the sweep file.

    Returns:
        Shipped files by name, other files by absolute path.

    Raises:
        ConfigError: A file does not exist or is invalid.
    """
    references = []
    for index, name in enumerate([entry] if isinstance(entry, str) else entry):
        at = ("literature",) if isinstance(entry, str) else ("literature", index)
        reference = _reference(name, document.path.parent)
        if reference is None:
            raise document.error(_missing(name), *at)
        read(reference)
        references.append(reference)
    return tuple(references)


def resolve_option(name: str) -> str:
    """Resolve the file that ``--literature`` names, as :func:`resolve` does, but relative to the working directory.

    Raises:
        ConfigError: The file does not exist.
    """
    reference = _reference(name, Path())
    if reference is None:
        raise ConfigError(f"--literature: {_missing(name)}")
    return reference


def rows(references: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of all these files as JSON, each with its ``benchmark``."""
    return [
        {"benchmark": section.benchmark} | row.model_dump(mode="json")
        for reference in references
        for section in read(reference)
        for row in section.rows
    ]


def read(reference: str) -> list[Section]:
    """Read a shipped file by its name, or any other file by its path.

    Raises:
        ConfigError: The file is invalid; the message starts with ``file:line:column``.
    """
    path = _shipped_folder() / f"{reference}.yaml" if reference in shipped() else Path(reference)
    document = yaml.read(path)
    if not isinstance(document.data, list):
        raise document.error("a list of {benchmark, rows} is wanted")
    sections = []
    for index, data in enumerate(document.data):
        try:
            sections.append(Section.model_validate(data))
        except ValidationError as error:
            mistake = first_mistake(error, Section)
            raise document.error(mistake.line, index, *mistake.location) from None
    return sections


def _shipped_folder() -> Path:
    return Path(str(resources.files("evalharness.ablations"))) / "literature"


def _reference(name: str, folder: Path) -> str | None:
    """The name of a shipped file, or an absolute path; ``None`` if there is no such file."""
    if name in shipped():
        return name
    path = folder.absolute() / Path(name).expanduser()
    return str(path) if path.is_file() else None


def _missing(name: str) -> str:
    return f"no file {name!r}, and none of that name comes along{did_you_mean(name, shipped())}"
