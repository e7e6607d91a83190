"""SHA-256 digests of files and folders, which identify a checkpoint whatever its path."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

from evalharness.errors import WeightsError


def file_digest(path: str | Path) -> str:
    """The SHA-256 of a file in hex. A process reads the file again only if its size or modification time changes.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        status = Path(path).stat()
        return _digest(str(Path(path).resolve()), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None


def blob_digest(path: str | Path) -> str:
    """The digest of a small file as a git blob: the SHA-1 of its size and its bytes, in hex.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def folder_digest(path: str | Path, pattern: str = "**/*", without: Collection[str] = ()) -> str:
    """One SHA-256 over the relative names and the digests of the files in a folder.

    Args:
        path: the folder.
        pattern: the files that count.
        without: names of files that are left out.

    Raises:
        WeightsError: there is no such folder, or a file cannot be read.
    """
    root = Path(path)
    if not root.is_dir():
        raise WeightsError(f"no folder {root}")
    files = (file for file in root.glob(pattern) if file.is_file() and file.name not in without)
    return hashlib.sha256(sha256_sums(root, (file.relative_to(root).as_posix() for file in files)).encode()).hexdigest()


def sha256_sums(folder: Path, names: Iterable[str]) -> str:
    """The digests of files in a folder as ``sha256sum`` prints them: a line a file, in the order of their names.

    Raises:
        WeightsError: a file cannot be read.
    """
    return "".join(f"{file_digest(folder / name)}  {name}\n" for name in sorted(names))


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, mtime_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
