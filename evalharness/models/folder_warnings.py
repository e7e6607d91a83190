"""Lines that warn of files in a folder of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from evalharness._util.image_files import BROKEN, FORMATS, is_transparent, turned

MAX_EXAMPLES = 3
"""Files that a warning names."""


class Header(NamedTuple):
    """What is read of an image file: width and height as stored, whether EXIF rotates it, whether it is transparent."""

    size: tuple[int, int]
    rotated: bool
    transparent: bool


def read_header(path: Path) -> Header | None:
    """The header of an image file, or ``None`` if the file is no image."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            size, rotated = image.size, turned(image)
            return Header(size, rotated, is_transparent(image))
    except BROKEN:
        return None


def warning(names: Sequence[str], description: str) -> str:
    """A warning with the number of files and the first of them; empty if there are none."""
    if not names:
        return ""
    more = ", …" if len(set(names)) > MAX_EXAMPLES else ""
    return f"{len(names)} {description}: {', '.join(list(dict.fromkeys(names))[:MAX_EXAMPLES])}{more}"


def size_warning(sizes: Mapping[str, tuple[int, int]]) -> str:
    """The sizes of the images, rare ones with an example; empty if there is only one.

    Args:
        sizes: width and height by file name.
    """
    counts = Counter(sizes.values())
    if len(counts) < 2:
        return ""
    examples = {size: name for name, size in sizes.items()}
    (usual, usual_count), *rare = counts.most_common()
    shown = [f"{width} × {height}: {count} (such as {examples[width, height]})" for (width, height), count in rare]
    more = f"; and {len(shown) - MAX_EXAMPLES} sizes more" if len(shown) > MAX_EXAMPLES else ""
    return (
        f"images of {len(counts)} sizes: {usual[0]} × {usual[1]}: {usual_count}; "
        f"{'; '.join(shown[:MAX_EXAMPLES])}{more}"
    )
