"""The images of a store: PNG files named by their SHA-256, ``images/ab/ab….png``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from evalharness._util.chunking import chunks
from evalharness._util.files import write_durably
from evalharness._util.regular_files import read_regular
from evalharness.errors import StoreError
from evalharness.store.database import Database

DIGEST = re.compile(r"[0-9a-f]{8,128}")
"""What names an image."""


class DamagedImageError(StoreError):
    """An image file is missing, or its content does not have the digest in its name."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"image {digest[:12]}… is damaged or gone; run again to redraw it")
        self.digest = digest


class StoredImages:
    """Image files; the table ``images`` has the size and time of those that were found intact."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._folder = database.path / "images"
        self._intact: set[str] = set()
        """Digests of files that were read and found intact."""
        self._written: set[str] = set()
        """Digests of files that :meth:`prepare` has just written, which :meth:`add` need not read again."""

    def path(self, digest: str) -> Path:
        """The file of an image, whether it exists or not.

        Raises:
            StoreError: It is no digest, and could lead out of the store.
        """
        if not DIGEST.fullmatch(digest):
            raise StoreError(f"{self._folder.parent} is damaged: an image is {digest[:80]!r} in place of a digest")
        return self._folder / digest[:2] / f"{digest}.png"

    def read(self, digest: str) -> bytes:
        """Return the bytes of an image.

        Raises:
            DamagedImageError: the file is missing, or its content does not have this digest.
        """
        path = self.path(digest)
        try:
            data = read_regular(path)
        except FileNotFoundError:
            raise DamagedImageError(digest) from None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            with contextlib.suppress(OSError):
                os.utime(path)  # so that the next run reads it again, though its size and time are those of before
            raise DamagedImageError(digest)
        return data

    def intact_path(self, digest: str) -> Path:
        """The file of an image; a path at which no file is, if the image is damaged."""
        path = self.path(digest)
        if digest not in self._intact:
            try:
                self.read(digest)
            except DamagedImageError:
                return path.with_suffix(".damaged")
            self._intact.add(digest)
        return path

    def verify(self) -> tuple[int, list[str]]:
        """Read all images that the store knows.

        Returns:
            Their number, and the digests of those that are damaged or missing, which the next run redraws.
        """
        digests = list(self.known())
        return len(digests), [digest for digest in digests if not self.intact_path(digest).is_file()]

    def prepare(self, images: Iterable[bytes]) -> None:
        """Write the images that trajectories are about to bring: many syncs at once take little longer than one.

        Call this inside a batch, before the trajectories are added. Adding a trajectory writes its images again if this
        failed, and reports the error.
        """
        files = {self.path(hashlib.sha256(data).hexdigest()): data for data in images}
        with self._database.lock, contextlib.suppress(OSError):
            self._written = set()
            new = {path: data for path, data in files.items() if not path.exists()}
            write_durably(new)
            self._written = {path.stem for path in new}

    def add(self, data: bytes) -> str:
        """Write an image and return its digest. Inside a batch."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        with self._database.guarded() as connection:
            written = digest in self._written
            self._written.discard(digest)
            if not (written or (path.is_file() and path.read_bytes() == data)):
                write_durably({path: data})
            status = path.stat()
            row = (digest, status.st_size, status.st_mtime_ns)
            connection.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", row)
        return digest

    def known(self) -> Iterator[str]:
        """Give the digests in the table."""
        return self._database.scan("SELECT digest FROM images ORDER BY digest", lambda row: str(row["digest"]))

    def forget(self, digests: Iterable[str]) -> None:
        """Remove rows of the table; the files stay. Inside a batch."""
        with self._database.guarded() as connection:
            connection.executemany("DELETE FROM images WHERE digest = ?", [(digest,) for digest in digests])

    def damaged(self, digests: Iterable[str]) -> set[str]:
        """Return the images whose file is damaged or missing.

        A file is read only if its size or time differ from when it was last found intact.
        """
        damaged: set[str] = set()
        for chunk in chunks(digests):
            with self._database.guarded():
                damaged |= self._damaged(chunk)
        return damaged

    def _damaged(self, digests: list[str]) -> set[str]:
        damaged: set[str] = set()
        intact: list[tuple[str, int, int]] = []
        rows = self._database.select("SELECT * FROM images", digests, column="digest")
        checked = {row["digest"]: (row["bytes"], row["mtime_ns"]) for row in rows}
        for digest in set(digests):
            try:
                status = self.path(digest).stat()
                if checked.get(digest) != (status.st_size, status.st_mtime_ns):
                    self.read(digest)
                    intact.append((digest, status.st_size, status.st_mtime_ns))
            except (DamagedImageError, FileNotFoundError):
                damaged.add(digest)
        if self._database.writable and intact:
            with self._database.batch() as connection:
                connection.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", intact)
        return damaged
