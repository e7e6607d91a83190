"""Patterns of file names, such as ``{item}_{sample}.png``, and files that hold several images in a grid."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from typing import ClassVar

from PIL import Image


@dataclass(frozen=True)
class FilePattern:
    """A pattern of paths below a folder. A field that stands twice has the same text in both places.

    >>> FilePattern("{item}_{sample}.png").match("00012_3.png")
    {'item': '00012', 'sample': '3'}
    >>> FilePattern("{item}_{sample}.png").match("overview.png") is None
    True

    Raises:
        ValueError: it leads out of the folder, has a field of another name, or none that says whose image a file is.
    """

    text: str
    FIELDS: ClassVar[dict[str, str]] = {"item": r"[^/]+?", "prompt": r"[^/]+?", "sample": r"[0-9]+"}

    def __post_init__(self) -> None:
        if self.text.startswith("/") or ".." in self.text.split("/"):
            raise ValueError(f"a pattern is of paths below the folder, got {self.text!r}")
        names = [name for _, name in self._parts() if name is not None]
        for name in names:
            if name not in self.FIELDS:
                fields = ", ".join(f"{{{field}}}" for field in self.FIELDS)
                raise ValueError(f"a pattern has no field {{{name}}}; there are {fields}")
        if not {"item", "prompt"} & set(names):
            raise ValueError("a pattern needs {item} or {prompt}, which says whose image a file is")

    @property
    def glob(self) -> str:
        """A pattern for :meth:`pathlib.Path.glob` of all names that may match."""
        return "".join(glob.escape(literal) + ("" if field is None else "*") for literal, field in self._parts())

    def match(self, name: str) -> dict[str, str] | None:
        """The fields of a path, or ``None`` if it does not have the pattern."""
        expression, seen = "", set[str]()
        for literal, field in self._parts():
            expression += re.escape(literal)
            if field is not None:
                expression += f"(?P={field})" if field in seen else f"(?P<{field}>{self.FIELDS[field]})"
                seen.add(field)
        found = re.fullmatch(expression, name)
        return None if found is None else found.groupdict()

    def _parts(self) -> list[tuple[str, str | None]]:
        """Literal texts, each with the name of the field after it; ``None`` after the last."""
        pieces = [*re.split(r"\{(.*?)\}", self.text), None]
        return [(str(pieces[index]), pieces[index + 1]) for index in range(0, len(pieces), 2)]


@dataclass(frozen=True)
class Grid:
    """Images of one size in a file, row by row.

    Attributes:
        columns: images in a row.
        rows: their number.
        border: pixels around and between the images, as torchvision's ``make_grid`` draws two.
    """

    columns: int
    rows: int
    border: int = 0

    @classmethod
    def parse(cls, text: str, border: int) -> Grid:
        """Read ``COLUMNSxROWS``.

        Raises:
            ValueError: it is something else.
        """
        found = re.fullmatch(r"([1-9][0-9]?)x([1-9][0-9]?)", text)
        if found is None:
            raise ValueError(f"a grid is COLUMNSxROWS, such as 2x2, got {text!r}")
        return cls(int(found[1]), int(found[2]), border)

    @property
    def count(self) -> int:
        return self.columns * self.rows

    def cut(self, image: Image.Image, place: int) -> Image.Image:
        """The image at a place, counted from 0 row by row.

        Raises:
            ValueError: the images would have no whole number of pixels.
        """
        sizes = []
        for pixels, count in zip(image.size, (self.columns, self.rows), strict=True):
            side, rest = divmod(pixels - self.border * (count + 1), count)
            if rest or side < 1:
                borders = f" with borders of {self.border}" if self.border else ""
                grid = f"{self.columns} × {self.rows} images of one size"
                raise ValueError(f"{image.width} × {image.height} pixels are not {grid}{borders}")
            sizes.append(side)
        row, column = divmod(place, self.columns)
        left, top = (self.border + at * (side + self.border) for at, side in zip((column, row), sizes, strict=True))
        return image.crop((left, top, left + sizes[0], top + sizes[1]))
