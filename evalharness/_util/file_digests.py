"""SHA-256 digests of files and folders, which identify a checkpoint whatever its path."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from evalharness._util.cache_folder import cache_folder
from evalharness._util.files import write_text_atomically
from evalharness._util.regular_files import open_regular, read_regular
from evalharness.errors import WeightsError

CACHED_SIZE = 2**20
"""Bytes of a file from which on its digest is remembered on the disk."""
UNSETTLED_NS = 2_000_000_000
"""Age of a change, in nanoseconds, below which the times of a file may not show the next change."""
SAFETENSORS = ".safetensors"
LOADED = (".jinja", ".json", ".model", ".py", ".tiktoken", ".txt", ".yaml")
"""Suffixes of the other files that checkpoints in the layouts of transformers and diffusers are loaded from."""
DOCUMENTS = ("README", "LICENSE", "LICENCE", "NOTICE")
"""Beginnings of the names of files that only describe a checkpoint."""


def file_digest(path: str | Path) -> str:
    """The SHA-256 of a file in hex.

    The file is read again only if its resolved path, size, times or inode differ from when it was last read. Digests of
    files from :data:`CACHED_SIZE` on are remembered on the disk, for other processes.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        resolved = Path(path).resolve(strict=True)
        stamp = _stamp(resolved)
        return _digest(resolved, stamp) if stamp.size < CACHED_SIZE else _remembered_digest(resolved, stamp)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None


def blob_digest(path: str | Path) -> str:
    """The digest of a small file as a git blob: the SHA-1 of its size and its bytes, in hex.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        data = read_regular(Path(path))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def folder_digest(path: str | Path, patterns: Collection[str] = ("**/*",), without: Collection[str] = ()) -> str:
    """One SHA-256 over the relative names and the digests of the files that a model is loaded from.

    Hidden files and folders, documents, and weights in formats that are not loaded do not count, so that two downloads
    of the same weights agree whatever else lies beside them.

    Args:
        path: the folder.
        patterns: the files that count.
        without: names of files that are left out.

    Raises:
        WeightsError: there is no such folder, or a file cannot be read.
    """
    root = Path(path)
    if not root.is_dir():
        raise WeightsError(f"no folder {root}")
    files = {file for pattern in patterns for file in root.glob(pattern) if file.is_file()}
    names = {file.relative_to(root) for file in files if file.name not in without}
    loaded = [name.as_posix() for name in names if _is_loaded(name, names)]
    return hashlib.sha256(sha256_sums(root, loaded).encode()).hexdigest()


def digest_of_all_files(path: Path, without: Collection[str] = ()) -> str:
    """What :func:`folder_digest` was before it left out what is not loaded.

    Raises:
        WeightsError: a file cannot be read.
    """
    files = (file for file in path.glob("**/*") if file.is_file() and file.name not in without)
    return hashlib.sha256(sha256_sums(path, (file.relative_to(path).as_posix() for file in files)).encode()).hexdigest()


def _is_loaded(name: Path, names: Collection[Path]) -> bool:
    """Whether a checkpoint is loaded from this file, given the names of all."""
    if any(part.startswith(".") for part in name.parts) or name.stem.upper().startswith(DOCUMENTS):
        return False
    if name.suffix == SAFETENSORS:  # model.fp16.safetensors beside model.safetensors is loaded only if it is asked for
        plain = name.with_name(name.name.partition(".")[0] + SAFETENSORS)
        return plain == name or plain not in names
    if name.suffix == ".bin":
        return not any(other.parent == name.parent and other.suffix == SAFETENSORS for other in names)
    return name.suffix in LOADED


def sha256_sums(folder: Path, names: Iterable[str]) -> str:
    """The digests of files in a folder as ``sha256sum`` prints them: a line a file, in the order of their names.

    Raises:
        WeightsError: a file cannot be read.
    """
    return "".join(f"{file_digest(folder / name)}  {name}\n" for name in sorted(names))


class _Stamp(NamedTuple):
    """What changes when a file is replaced or written to."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@lru_cache(maxsize=4096)
def _digest(path: Path, stamp: _Stamp) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered_digest(path: Path, stamp: _Stamp) -> str:
    """The digest of a large file, read from the cache or added to it. Processes that need it at a time read it once."""
    name = hashlib.sha256(os.fsencode(path)).hexdigest()
    record = cache_folder() / "digests" / name
    known = _read_record(record, path, stamp)
    if known is not None:
        return known
    with _one_at_a_time(cache_folder() / "locks" / name):
        known = _read_record(record, path, stamp)  # another process may have added it in the meantime
        if known is not None:
            return known
        digest = _digest(path, stamp)
        # A file that was written to just now may be written to again within the resolution of its times.
        settled = time.time_ns() - max(stamp.mtime_ns, stamp.ctime_ns) > UNSETTLED_NS
        if settled and _stamp(path) == stamp:
            with contextlib.suppress(OSError):
                write_text_atomically(record, json.dumps([str(path), *stamp, digest]))
    return digest


def _read_record(record: Path, path: Path, stamp: _Stamp) -> str | None:
    """The digest that a record has of a file; ``None`` if it has none of this file as it is."""
    try:
        known_path, *known_stamp, digest = json.loads(record.read_bytes())
    except (OSError, ValueError, TypeError):
        return None  # never read before, or by a version that wrote something else
    return str(digest) if (known_path, *known_stamp) == (str(path), *stamp) else None


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock while other processes wait for it; none where the cache cannot be written."""
    lock = FileLock(path, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
