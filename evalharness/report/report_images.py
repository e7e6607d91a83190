"""The images of a report, named by their digest.

Images become lossless WebP files, a fifth smaller than the store's PNG files and with the same pixels. Large ones take
a processor too long to convert and are copied. A report that is to be small has lossy WebP files, a sixth of the PNG
files, or lossless ones where these are smaller still. Nothing in a report shares its bytes with the store, so that an
edited report leaves the store as it was.
"""

from __future__ import annotations

import io
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
QUALITY = 80
"""Of thumbnails, and of the lossy images of small reports."""
# More effort takes several times as long for one or two per cent.
LOSSLESS: dict[str, Any] = {"lossless": True, "quality": 50, "method": 2}


class IndexedValues:
    """Distinct values in order of appearance, referred to by their index."""

    def __init__(self) -> None:
        self.indices: dict[Hashable, int] = {}

    def index(self, value: Hashable) -> int:
        return self.indices.setdefault(value, len(self.indices))

    def values(self) -> list[Hashable]:
        return list(self.indices)


class ReportImages:
    """Writes images as they are added: ``images/DIGEST.webp`` or ``.png``, of large ones ``thumbs/DIGEST.webp`` too.

    A context manager: leaving it stops work that nobody waits for.
    """

    def __init__(self, results: Results, folder: Path, previous: Path, *, small: bool = False) -> None:
        """Start with no images.

        Args:
            results: the run's results, with its images.
            folder: the folder of the report that is being written.
            previous: the folder of an earlier report, whose files are used again.
                small: whether to write lossy WebP files where they are smaller.
        """
        self.results, self.folder, self.previous, self.small = results, folder, previous, small
        self.missing: set[str] = set()
        """Digests of images that the store lacks."""
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._sources: dict[str, Future[str]] = {}
        self._encoded: dict[str, bytes | None] = {}
        for name in ("images", "thumbs"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> ReportImages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, digest: Any) -> bool:
        """Write an image, once; ``False`` if there is none, or if the store lacks its file."""
        if not isinstance(digest, str) or digest in self.missing:
            return False
        if digest not in self._sources:
            if not re.fullmatch(r"[0-9a-f]{8,128}", digest) or not self.results.image_path(digest).is_file():
                self.missing.add(digest)
                return False
            self._sources[digest] = self._pool.submit(self._write, digest)
        return True

    def source(self, digest: str) -> str:
        """The file of an image that was added, relative to the report."""
        return self._sources[digest].result()

    def size(self, digest: str) -> tuple[int, int]:
        """Width and height of an image that was added."""
        return png_size(self.results.image_path(digest))

    def shown_small(self, digest: str) -> str:
        """The thumbnail of an image that was added, or its file if that is small."""
        source = self.source(digest)  # the thumbnail is written first
        return _thumbnail(digest) if (self.folder / _thumbnail(digest)).is_file() else source

    def bytes_of(self, digest: str) -> int:
        """The size of the file that an image has in the report, or would have."""
        if self.small and (data := self._smallest(digest)) is not None:
            return len(data)
        try:
            return self.results.image_path(digest).stat().st_size
        except OSError:
            return 0

    def _smallest(self, digest: str) -> bytes | None:
        if digest not in self._encoded:
            self._encoded[digest] = _smallest_bytes(self.results.image_path(digest))
        return self._encoded[digest]

    def _write(self, digest: str) -> str:
        original = self.results.image_path(digest)
        large = max(png_size(original)) > LARGE
        if large and not self._reuse(_thumbnail(digest)):
            _write_thumbnail(original, self.folder / _thumbnail(digest))
        source = f"images/{digest}.webp"
        if self.small:
            if (data := self._smallest(digest)) is not None:
                (self.folder / source).write_bytes(data)
                return source
        elif not large and (self._reuse_lossless(source) or _write_lossless(original, self.folder / source)):
            return source
        source = f"images/{digest}.png"
        shutil.copyfile(original, self.folder / source)
        return source

    def _reuse(self, name: str) -> bool:
        """Whether the previous report had a file, which becomes one of this report."""
        return _link_or_copy(self.previous / name, self.folder / name)

    def _reuse_lossless(self, name: str) -> bool:
        return _is_lossless(self.previous / name) and self._reuse(name)


class SheetImages:
    """The images that a data sheet refers to by index."""

    def __init__(self, images: ReportImages) -> None:
        self.images = images
        self._digests = IndexedValues()

    def index(self, digest: Any) -> int | None:
        """The index of an image, which is added to the report; ``None`` if it has no file."""
        return self._digests.index(digest) if self.images.add(digest) else None

    def data(self) -> dict[str, Any]:
        """The digests, and the indices of those that have a PNG file (the others are WebP) and of those with a
        thumbnail."""
        digests = [str(digest) for digest in self._digests.values()]
        sources = [self.images.source(digest) for digest in digests]
        return {
            "images": digests,
            "png": [index for index, source in enumerate(sources) if source.endswith(".png")],
            "thumbs": [
                index for index, digest in enumerate(digests) if self.images.shown_small(digest) != sources[index]
            ],
        }


def _thumbnail(digest: str) -> str:
    return f"thumbs/{digest}.webp"


def _write_lossless(original: Path, target: Path) -> bool:
    """Write a WebP file that a browser shows as it shows the original; ``False`` if there is none."""
    image = _convertible(original)
    if image is None:
        return False
    image.save(target, **LOSSLESS)
    return True


def _smallest_bytes(original: Path) -> bytes | None:
    """The smaller of a lossy and a lossless WebP file; ``None`` for an image that cannot be WebP."""
    image = _convertible(original)
    if image is None:
        return None
    lossy, lossless = io.BytesIO(), io.BytesIO()
    image.save(lossy, "WEBP", quality=QUALITY)
    image.save(lossless, "WEBP", **LOSSLESS)
    return min(lossy.getvalue(), lossless.getvalue(), key=len)


def _convertible(original: Path) -> Image.Image | None:
    """An image that a browser shows alike as WebP; ``None`` for any other and for a damaged one."""
    image = _decoded(original)
    # What a profile or a gamma value does to pixels is left to the original file.
    if image is None or image.mode != "RGB" or {"icc_profile", "gamma"} & image.info.keys():
        return None
    return image if max(image.size) <= MAX_WEBP_SIDE else None


def _is_lossless(path: Path) -> bool:
    """Whether a file is a lossless WebP file, by its first chunk."""
    try:
        with path.open("rb") as file:
            return file.read(16)[12:] == b"VP8L"
    except OSError:
        return False


def _write_thumbnail(original: Path, target: Path) -> None:
    """Write a small WebP file; a damaged image gets none."""
    image = _decoded(original)
    if image is not None:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(target, quality=QUALITY)


def _decoded(path: Path) -> Image.Image | None:
    """The image of a file; ``None`` if it is damaged."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
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
