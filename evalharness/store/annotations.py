"""What people say of a scorer's verdicts: a file of JSON lines in a store's folder, one for each image and person."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from evalharness._util.files import write_text_atomically
from evalharness._util.regular_files import read_regular
from evalharness.errors import ConfigError
from evalharness.types.score import is_right

FILE = "annotations.jsonl"
VERDICTS = ("agree", "disagree")
MAX_TEXT = 2000
"""Characters of a note or a name."""
_TEXTS = ("benchmark", "item", "image", "verdict")


Place: TypeAlias = tuple[str, str, str, str]
"""Benchmark, item, image and person."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A person's word on the verdict that a page showed on an image.

    Attributes:
        benchmark, item: the prompt.
        image: the SHA-256 of the image.
        verdict: ``agree`` or ``disagree`` with the scorer.
        score: the score that the page showed, 0..1.
        note: the person's words.
        by: the person's name, which may be empty.
    """

    benchmark: str
    item: str
    image: str
    verdict: str
    score: float
    note: str = ""
    by: str = ""

    @property
    def right(self) -> bool:
        """Whether the person finds the image right."""
        return is_right(self.score) == (self.verdict == "agree")

    @property
    def place(self) -> Place:
        """What a person has one annotation of."""
        return self.benchmark, self.item, self.image, self.by


def read_annotations(path: Path, by: str = "") -> list[Annotation]:
    """The annotations in a file of JSON lines; of several of a person on an image, the last.

    Args:
        path: a file that a page of a report exported, or that of a store.
        by: whose they are, where the file does not say.

    Raises:
        ConfigError: it cannot be read, or a line is no annotation.
    """
    try:
        lines = read_regular(path).decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    annotations = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            annotation = _annotation(line, f"{path}:{number}", by)
            annotations[annotation.place] = annotation
    return list(annotations.values())


def of_store(folder: Path) -> list[Annotation]:
    """The annotations that were added to a store.

    Raises:
        ConfigError: its file is damaged.
    """
    path = folder / FILE
    return read_annotations(path) if path.is_file() else []


def add_annotations(folder: Path, added: Iterable[Annotation]) -> int:
    """Add annotations to a store; each replaces an earlier one of that person on that image.

    Returns:
        The number of annotations that the store has now.
    """
    kept = {annotation.place: annotation for annotation in (*of_store(folder), *added)}
    put_annotations(folder, kept.values())
    return len(kept)


def put_annotations(folder: Path, annotations: Collection[Annotation]) -> None:
    """Make these the annotations of a store; without any it has no file."""
    if not annotations:
        (folder / FILE).unlink(missing_ok=True)
        return
    text = "".join(json.dumps(asdict(annotation), sort_keys=True) + "\n" for annotation in annotations)
    write_text_atomically(folder / FILE, text)


def _annotation(line: str, place: str, by: str) -> Annotation:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(f"{place}: this line is not JSON; use the file that the page of a report saved") from None
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in _TEXTS):
        raise ConfigError(f"{place}: an annotation has the texts {', '.join(_TEXTS)}")
    if data["verdict"] not in VERDICTS:
        raise ConfigError(f"{place}: the verdict must be {' or '.join(VERDICTS)}, got {data['verdict'][:40]!r}")
    if not re.fullmatch(r"[0-9a-f]{64}", data["image"]):
        raise ConfigError(f"{place}: the image must be a SHA-256 in hexadecimal digits")
    score = data.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ConfigError(f"{place}: the score must be a number from 0 to 1")
    texts = [data.get(name) or usual for name, usual in (("note", ""), ("by", by))]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
        raise ConfigError(f"{place}: note and by are texts of at most {MAX_TEXT} characters")
    return Annotation(data["benchmark"], data["item"], data["image"], data["verdict"], float(score), *texts)
