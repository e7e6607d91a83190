"""The images of a report: linked where the file system can, else copied, with thumbnails of large ones."""

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
"""Pixels of the longer side, above which a gallery shows thumbnails."""
THUMBNAIL = 384
PNG_HEADER = b"\x89PNG\r\n\x1a\n"


class IndexedValues:
    """Distinct values in order of appearance, referred to by their index."""

    def __init__(self) -> None:
        self.indices: dict[Hashable, int] = {}

    def index(self, value: Hashable) -> int:
        return self.indices.setdefault(value, len(self.indices))

    def values(self) -> list[Hashable]:
        return list(self.indices)


class ReportImages(IndexedValues):
    """Images by their digest: ``images/DIGEST.png``, of large ones ``thumbs/DIGEST.webp`` too.

    Attributes:
        folder: of the report that is being written.
        previous: folder of an earlier report, whose thumbnails are used again.
        missing: digests of images that the store lacks.
    """

    def __init__(self, results: Results, folder: Path, previous: Path) -> None:
        super().__init__()
        self.results, self.folder, self.previous = results, folder, previous
        self.missing: set[str] = set()
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def add(self, digest: Any) -> int | None:
        """The index of an image, which is copied when it is first added; ``None`` if there is none."""
        if not isinstance(digest, str) or digest in self.missing:
            return None
        if digest not in self.indices and not self._copy(digest):
            self.missing.add(digest)
            return None
        return self.index(digest)

    def path(self, digest: str) -> Path:
        """The file of an image in the report."""
        return self.folder / "images" / f"{digest}.png"

    def thumbnails(self) -> list[int]:
        """Make the thumbnails of large images; returns the indices of images that have one."""
        large = [str(digest) for digest in self.values() if max(png_size(self.path(str(digest)))) > LARGE]
        if not large:
            return []
        (self.folder / "thumbs").mkdir(exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(self._make_thumbnail, large))
        return [self.indices[digest] for digest, success in zip(large, made, strict=True) if success]

    def _copy(self, digest: str) -> bool:
        if not re.fullmatch(r"[0-9a-f]{8,128}", digest):
            return False
        return _link_or_copy(self.results.image_path(digest), self.path(digest))

    def _make_thumbnail(self, digest: str) -> bool:
        from PIL import Image

        target = self.folder / "thumbs" / f"{digest}.webp"
        if _link_or_copy(self.previous / "thumbs" / target.name, target):
            return True
        try:
            with Image.open(self.path(digest)) as image:
                image.thumbnail((THUMBNAIL, THUMBNAIL))
                image.save(target, quality=80)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return False  # a damaged image is shown as it is
        return True


def png_size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG file; 0 × 0 if it is none."""
    with path.open("rb") as file:
        header = file.read(24)
    if not header.startswith(PNG_HEADER) or len(header) < 24:
        return 0, 0
    return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])


def _link_or_copy(source: Path, target: Path) -> bool:
    try:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError:
        return False
    return True
