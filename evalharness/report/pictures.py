"""The images of a page: linked where the file system can, else copied, with thumbnails of large ones."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evalharness.store.results import Results

LARGE = 512
"""Pixels along the longer side, from which on a gallery of full images would be slow."""
THUMBNAIL = 384
PNG_HEADER = b"\x89PNG\r\n\x1a\n"


class Numbered:
    """Distinct values in order of appearance; a value's place stands for it."""

    def __init__(self) -> None:
        self.places: dict[Hashable, int] = {}

    def place(self, value: Hashable) -> int:
        return self.places.setdefault(value, len(self.places))

    def values(self) -> list[Hashable]:
        return list(self.places)


class Pictures(Numbered):
    """Images by their digest: ``images/DIGEST.png``, of large ones ``thumbs/DIGEST.webp`` too.

    ``before`` is the folder of an earlier report, whose thumbnails are taken over.
    """

    def __init__(self, results: Results, folder: Path, before: Path) -> None:
        super().__init__()
        self.results, self.folder, self.before = results, folder, before
        self.missing: set[str] = set()
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def show(self, digest: Any) -> int | None:
        """The image's place, ``None`` for none and for one that the store lacks."""
        if not isinstance(digest, str) or digest in self.missing:
            return None
        if digest not in self.places and not self._take(digest):
            self.missing.add(digest)
            return None
        return self.place(digest)

    def thumbnails(self) -> list[int]:
        """Make those that are needed; the places of the images that have one."""
        large = [str(digest) for digest in self.values() if _longer_side(self._image(str(digest))) > LARGE]
        if not large:
            return []
        (self.folder / "thumbs").mkdir(exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(self._thumbnail, large))
        return [self.places[digest] for digest, there in zip(large, made, strict=True) if there]

    def _take(self, digest: str) -> bool:
        if not re.fullmatch(r"[0-9a-f]{8,128}", digest):
            return False
        return _link(self.results.image_path(digest), self._image(digest))

    def _image(self, digest: str) -> Path:
        return self.folder / "images" / f"{digest}.png"

    def _thumbnail(self, digest: str) -> bool:
        from PIL import Image

        target = self.folder / "thumbs" / f"{digest}.webp"
        if _link(self.before / "thumbs" / target.name, target):
            return True
        try:
            with Image.open(self._image(digest)) as image:
                image.thumbnail((THUMBNAIL, THUMBNAIL))
                image.save(target, quality=80)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return False  # a damaged image is shown as it is
        return True


def _link(source: Path, target: Path) -> bool:
    try:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError:
        return False
    return True


def _longer_side(path: Path) -> int:
    """From the file's header alone; 0 if it is no PNG."""
    with path.open("rb") as file:
        header = file.read(24)
    if not header.startswith(PNG_HEADER) or len(header) < 24:
        return 0
    return max(int.from_bytes(header[16:20]), int.from_bytes(header[20:24]))
