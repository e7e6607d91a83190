"""Published numbers, to be quoted beside measured ones: from a file with a source for each of them.

    - benchmark: geneval
      rows:
        - {name: "BAGEL", score: 0.82, source: "arXiv 2505.14683, table 5", note: "original prompts"}

``benchmark`` is the name that a sweep knows it by; ``low`` and ``high`` (an interval) and ``categories`` may stand
beside the score, where the source has them. ``paper`` is the file that comes with evalharness.
"""

from __future__ import annotations

import argparse
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


class Quoted(BaseModel):
    """A published score in 0..1, with where it was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    score: Share
    source: Text
    low: Share | None = None
    high: Share | None = None
    categories: dict[str, Share] = {}
    note: str = ""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: Text
    rows: Annotated[list[Quoted], Field(min_length=1)]


def shipped() -> list[str]:
    """The names of the files that come with evalharness."""
    folder = Path(str(resources.files("evalharness.ablations"))) / "literature"
    return sorted(path.stem for path in folder.glob("*.yaml"))


def locate(document: Document, named: str | Sequence[str]) -> tuple[str, ...]:
    """Names of shipped files as they are, paths made absolute; what a sweep file names is checked before it runs.

    Raises:
        ConfigError: there is no such file, or it is not as it should be.
    """
    found = []
    for index, name in enumerate([named] if isinstance(named, str) else named):
        at = ("literature",) if isinstance(named, str) else ("literature", index)
        path = document.path.parent.absolute() / Path(name).expanduser()
        if name not in shipped() and not path.is_file():
            raise document.error(
                f"no file {name!r}, and none of that name comes along{did_you_mean(name, shipped())}", *at
            )
        found.append(name if name in shipped() else str(path))
        read(found[-1])
    return tuple(found)


def rows(named: Iterable[str]) -> list[dict[str, Any]]:
    """All rows of these files as JSON, each with its ``benchmark``."""
    return [
        {"benchmark": section.benchmark} | row.model_dump(mode="json")
        for name in named
        for section in read(name)
        for row in section.rows
    ]


def read(name: str) -> list[Section]:
    """A shipped file by its name, another by its path.

    Raises:
        ConfigError: with ``file:line:column``.
    """
    path = Path(name)
    if name in shipped():
        path = Path(str(resources.files("evalharness.ablations"))) / "literature" / f"{name}.yaml"
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


def add_argument(parser: argparse.ArgumentParser) -> None:
    """``--literature``, the same for all commands that write a report."""
    parser.add_argument(
        "--literature",
        action="append",
        default=[],
        metavar="FILE",
        help="quote published scores from this file, each with its source, or from one that comes along "
        f"({', '.join(shipped())}); may be repeated",
    )


def given(option: str) -> str:
    """What ``--literature`` named: a shipped file, or a path from where the command runs."""
    if option not in shipped() and not Path(option).is_file():
        raise ConfigError(
            f"--literature: no file {option!r}, and none of that name comes along{did_you_mean(option, shipped())}"
        )
    return option if option in shipped() else str(Path(option).absolute())
