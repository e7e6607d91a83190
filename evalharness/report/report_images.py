"""The images of a report, named by their digest.

Small images become lossless WebP files, a fifth smaller than the store's PNG files and with the same pixels. Large ones
take a processor too long to convert: they are copied, unless the report is to be small. Nothing in a report shares its
bytes with the store, so that an edited report leaves the store as it was.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evalharness._util.image_files import png_size
from evalharness.store.results import Results

if TYPE_CHECKING:
    from PIL import Image

LARGE = 512
"""Pixels of the longer side, above which a gallery shows thumbnails."""
THUMBNAIL = 384
MAX_WEBP_SIDE = 16_383


class IndexedValues:
    """Distinct values in order of appearance, referred to by their index."""

    def __init__(self) -> None:
        self.indices: dict[Hashable, int] = {}

    def index(self, value: Hashable) -> int:
        return self.indices.setdefault(value, len(self.indices))

    def values(self) -> list[Hashable]:
        return list(self.indices)


class ReportImages(IndexedValues):
    """Writes images as they are added: ``images/DIGEST.webp`` or ``.png``, of large ones ``thumbs/DIGEST.webp`` too.

    A context manager: leaving it stops work that nobody waits for.
    """

    def __init__(self, results: Results, folder: Path, previous: Path, *, convert_large: bool = False) -> None:
        """Start with no images.

        Args:
            results: the run's results, with its images.
            folder: the folder of the report that is being written.
            previous: the folder of an earlier report, whose files are used again.
            convert_large: whether to write large images as WebP as well.
        """
        super().__init__()
        self.results, self.folder, self.previous, self.convert_large = results, folder, previous, convert_large
        self.missing: set[str] = set()
        """Digests of images that the store lacks."""
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._sources: dict[str, Future[str]] = {}
        for name in ("images", "thumbs"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> ReportImages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, digest: Any) -> int | None:
        """The index of an image; ``None`` if there is none, or if the store lacks its file."""
        if not isinstance(digest, str) or digest in self.missing:
            return None
        if digest not in self.indices:
            if not re.fullmatch(r"[0-9a-f]{8,128}", digest) or not self.results.image_path(digest).is_file():
                self.missing.add(digest)
                return None
            self._sources[digest] = self._pool.submit(self._write, digest)
        return self.index(digest)

    def source(self, digest: str) -> str:
        """The file of an image that was added, relative to the report."""
        return self._sources[digest].result()

    def size(self, digest: str) -> tuple[int, int]:
        """Width and height of an image that was added."""
        return png_size(self.results.image_path(digest))

    def png_indices(self) -> list[int]:
        """The images whose file is a PNG."""
        return [index for digest, index in self.indices.items() if self.source(str(digest)).endswith(".png")]

    def thumbnail_indices(self) -> list[int]:
        """The images that have a thumbnail."""
        return [index for digest, index in self.indices.items() if self._has_thumbnail(str(digest))]

    def _has_thumbnail(self, digest: str) -> bool:
        self.source(digest)  # the thumbnail is written first
        return (self.folder / _thumbnail(digest)).is_file()

    def _write(self, digest: str) -> str:
        original = self.results.image_path(digest)
        large = max(png_size(original)) > LARGE
        if large and not self._reuse(_thumbnail(digest)):
            _write_thumbnail(original, self.folder / _thumbnail(digest))
        source = f"images/{digest}.webp"
        convert = self.convert_large or not large
        if convert and (self._reuse(source) or _write_lossless(original, self.folder / source)):
            return source
        source = f"images/{digest}.png"
        shutil.copyfile(original, self.folder / source)
        return source

    def _reuse(self, name: str) -> bool:
        """Whether the previous report had a file, which becomes one of this report."""
        return _link_or_copy(self.previous / name, self.folder / name)


def _thumbnail(digest: str) -> str:
    return f"thumbs/{digest}.webp"


def _write_lossless(original: Path, target: Path) -> bool:
    """Write a WebP file that a browser shows as it shows the original; ``False`` if there is none."""
    image = _decoded(original)
    # What a profile or a gamma value does to pixels is left to the original file.
    if image is None or image.mode != "RGB" or {"icc_profile", "gamma"} & image.info.keys():
        return False
    if max(image.size) > MAX_WEBP_SIDE:
        return False
    # More effort takes several times as long for one or two per cent.
    image.save(target, lossless=True, quality=50, method=2)
    return True


def _write_thumbnail(original: Path, target: Path) -> None:
    """Write a small WebP file; a damaged image gets none."""
    image = _decoded(original)
    if image is not None:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(target, quality=80)


def _decoded(path: Path) -> Image.Image | None:
    """The image of a file; ``None`` if it is damaged."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _link_or_copy(source: Path, target: Path) -> bool:
    try:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError:
        return False
    return True
