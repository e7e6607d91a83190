"""Brings published files to this machine: from where they are published, or from a mirror; whole and checked, or not
at all. What breaks off is continued by the next try.

A mirror is a folder, or the address of one, with the files in the places that they have in the cache
(``folder/name``); the cache of another machine is one.
"""

from __future__ import annotations

import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evalharness._util.file_digests import blob_digest, file_digest, sha256_sums
from evalharness._util.file_lock import LockedError, lock_file
from evalharness._util.files import atomic_folder
from evalharness.assets.asset import SUMS, Asset, cache, damaged, is_published
from evalharness.assets.download import download, shown
from evalharness.errors import ConfigError, EvalHarnessError, WeightsError

Say = Callable[[str], None]


def fetch(
    asset: Asset, say: Say, *, mirror: str | None = None, root: Path | None = None, named: str | None = None
) -> Path:
    """The file's place under ``root`` (by default the cache), where it is when this returns.

    ``say`` is told what is being done, a line at a time. ``named``: what the mirror calls it, if not by its name.

    Raises:
        EvalHarnessError: it cannot be had, or what was had is not the published file; nothing is left in its place.
    """
    path = (root or cache()) / asset.folder / asset.name
    if path.is_file():
        if is_published(path, asset):
            say(f"{asset.name}: is there")
            return path
        say(f"{asset.name}: what is there is not the published file, and is replaced")
    source = asset.url if mirror is None else source_of(asset.folder, named or asset.name, mirror)
    known = bool(asset.sha256 or asset.git)
    _make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    with _locked(part) as file:
        if path.is_file() and is_published(path, asset):  # another process was faster
            part.unlink(missing_ok=True)
            return path
        if not known:  # what is continued could not be checked
            file.seek(0)
            file.truncate()
        if not (known and part.stat().st_size and is_published(part, asset)):
            say(f"{asset.name}: fetching from {_shown(source)}")
            _fill(file, part, asset, source)
        os.fsync(file.fileno())
        part.replace(path)
    return path


def convert(asset: Asset, file: Path, say: Say) -> Path:
    """The folder in the cache that is made of ``file``, once; it appears whole, with the digests of its files.

    Raises:
        WeightsError: the file is not what ``asset.convert`` takes.
    """
    if asset.convert is None:
        raise ValueError(f"{asset.name} is read as it is")
    from safetensors import SafetensorError

    folder = asset.converted_path
    if folder.is_dir() and damaged(folder) is None:
        return folder
    say(f"{asset.name}: converting")
    try:
        with atomic_folder(folder) as new:
            asset.convert(file, new)
            names = [path.name for path in new.iterdir() if path.is_file()]
            (new / SUMS).write_text(sha256_sums(new, names), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise _cannot_write(folder, error) from error
    return folder


def _fill(file: IO[bytes], part: Path, asset: Asset, source: Path | str) -> None:
    """Bring the bytes, and check them. What cannot be used is deleted, what can be continued is kept."""
    try:
        if isinstance(source, Path):
            _copy(source, file)
        else:
            _check_room(part, asset)
            download(source, file, asset.name)
        file.flush()
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _cannot_write(part, error) from error
    except EvalHarnessError:
        if not file.tell():
            part.unlink()
        raise
    if not is_published(part, asset):
        kind, wanted = ("SHA-256", asset.sha256) if asset.sha256 else ("git SHA-1", asset.git)
        found, size = file_digest(part) if asset.sha256 else blob_digest(part), part.stat().st_size
        part.unlink()
        raise WeightsError(
            f"{_shown(source)} is not the published file: its {kind} ({size} bytes) begins with {found[:12]}, not "
            f"with {wanted[:12]}; it was deleted, try again or use another --mirror"
        )


def source_of(folder: str, name: str, mirror: str) -> Path | str:
    """Where a mirror has a file: a path, or an address."""
    parts = urllib.parse.urlsplit(mirror)
    if parts.scheme in ("http", "https"):
        return f"{mirror.rstrip('/')}/{urllib.parse.quote(f'{folder}/{name}')}"
    root = Path(urllib.parse.unquote(parts.path) if parts.scheme == "file" else mirror).expanduser()
    if not root.is_dir():
        raise ConfigError(f"the mirror {mirror} is neither a folder nor an http address")
    return root / folder / name


def _shown(source: Path | str) -> str:
    return str(source) if isinstance(source, Path) else shown(source)


def _copy(source: Path, file: IO[bytes]) -> None:
    try:
        origin = source.open("rb")
    except OSError as error:
        raise ConfigError(f"the mirror lacks {source}: {error.strerror}") from None
    with origin:
        file.seek(0)
        file.truncate()
        shutil.copyfileobj(origin, file, 1 << 20)


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """A file, opened at its end, that no other process is writing at the same time."""
    lock_path = part.with_name(f".{part.name}.lock")
    try:
        lock = lock_file(lock_path)
    except LockedError as error:
        raise EvalHarnessError(f"{part} is being fetched by another process (pid {error.pid}); wait for it") from None
    except OSError as error:
        raise _cannot_write(part, error) from error
    try:
        with _opened(part) as file:
            file.seek(0, os.SEEK_END)
            yield file
    finally:
        lock_path.unlink(missing_ok=True)
        lock.release()


def _opened(part: Path) -> IO[bytes]:
    try:
        return open(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b")  # noqa: PTH123
    except OSError as error:
        raise _cannot_write(part, error) from error


def _check_room(part: Path, asset: Asset) -> None:
    """Before an hour of downloading, not after it."""
    free = shutil.disk_usage(part.parent).free
    if asset.size is not None and free < asset.size - part.stat().st_size:
        raise EvalHarnessError(
            f"{asset.name} needs {asset.size / 1e9:.1f} GB, and {part.parent} has {free / 1e9:.1f} GB free; free some, "
            "or name another place with EVALHARNESS_CACHE"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: Exception) -> EvalHarnessError:
    reason = getattr(error, "strerror", None) or error
    return EvalHarnessError(f"cannot write {path}: {reason}; free some space, or use another place")
