"""Folders of images for tests of the model ``folder``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from evalharness.types.item import Item

DOG = Item("00000", "a photo of a dog", "single_object", {})
CAT = Item("00001", "a photo of a cat", "single_object", {})
WANTED = [(item, index) for item in (DOG, CAT) for index in (0, 1)]


def save(path: Path, color: str = "red", size: tuple[int, int] = (6, 4), turned: int | None = None) -> bytes:
    """Write an image of one colour, with an EXIF orientation if it is ``turned``; returns the file's bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = turned
    Image.new("RGB", size, color).save(path, exif=exif)
    return path.read_bytes()
