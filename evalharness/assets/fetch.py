"""Fetches published files from their publisher, or from a mirror.

A file appears in its place complete and checked, or not at all. The next try continues an interrupted download.

A mirror is a folder, or the URL of one, that holds the files at the same places as the cache (``folder/name``), such as
the cache of another machine.
"""

from __future__ import annotations

import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evalharness._util.cache_folder import cache_folder
from evalharness._util.file_digests import blob_digest, file_digest, sha256_sums
from evalharness._util.file_lock import LockedError, lock_file
from evalharness._util.files import atomic_folder
from evalharness._util.regular_files import open_regular
from evalharness._util.surroundings import without_credentials
from evalharness.assets.asset import SUMS, Asset, first_damaged_file, has_published_digest
from evalharness.assets.download import download
from evalharness.errors import ConfigError, EvalHarnessError, WeightsError

Log = Callable[[str], None]
"""Receives a line about each action."""
COPY_CHUNK = 1 << 20
SLACK = 1 << 16
"""Bytes that a file may have above a hundredth more than is announced."""


def fetch_asset(
    asset: Asset, log: Log, *, mirror: str | None = None, root: Path | None = None, mirror_name: str | None = None
) -> Path:
    """Fetch a file unless it is in its place already.

    Args:
        asset: the file.
        log: receives lines about the progress.
        mirror: the only source if given.
        root: the folder to fill in place of the cache.
        mirror_name: the file's name in the mirror if it is not the asset's.

    Returns:
        The file's path under ``root``.

    Raises:
        EvalHarnessError: the file cannot be fetched, or is not the published one; nothing is left in its place.
    """
    path = (root or cache_folder()) / asset.folder / asset.name
    if path.is_file():
        if has_published_digest(path, asset):
            log(f"{asset.name}: is there")
            return path
        log(f"{asset.name}: what is there is not the published file, and is replaced")
    source = asset.url if mirror is None else mirror_source(asset.folder, mirror_name or asset.name, mirror)
    _make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    with _exclusive(part) as file:
        if path.is_file() and has_published_digest(path, asset):  # another process has just finished it
            part.unlink(missing_ok=True)
            return path
        if not (asset.sha256 or asset.git_sha1):  # without a digest, a continued file could not be checked
            _empty(file)
        complete = part.stat().st_size > 0 and has_published_digest(part, asset)
        if not complete:
            log(f"{asset.name}: fetching from {_printable(source)}")
            _fill(file, part, asset, source)
        os.fsync(file.fileno())
        part.replace(path)
    return path


def convert_asset(asset: Asset, file: Path, log: Log) -> Path:
    """Convert a fetched file unless it has been converted already.

    Returns:
        The folder in the cache. It appears complete, with the digests of its files.

    Raises:
        WeightsError: the file is not what ``asset.convert`` takes.
    """
    if asset.convert is None:
        raise ValueError(f"{asset.name} is read as it is")
    from safetensors import SafetensorError

    folder = asset.converted_path
    if folder.is_dir() and first_damaged_file(folder) is None:
        return folder
    log(f"{asset.name}: converting")
    try:
        with atomic_folder(folder) as new:
            asset.convert(file, new)
            names = [path.name for path in new.iterdir() if path.is_file()]
            (new / SUMS).write_text(sha256_sums(new, names), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise _cannot_write(folder, error) from error
    return folder


def mirror_source(folder: str, name: str, mirror: str) -> Path | str:
    """Path or URL of a file in a mirror."""
    try:
        parts = urllib.parse.urlsplit(mirror)
    except ValueError as error:
        raise ConfigError(f"the mirror {without_credentials(mirror)} is no address: {error}") from None
    if parts.scheme in ("http", "https"):
        return f"{mirror.rstrip('/')}/{urllib.parse.quote(f'{folder}/{name}')}"
    root = Path(urllib.parse.unquote(parts.path) if parts.scheme == "file" else mirror).expanduser()
    if not root.is_dir():
        raise ConfigError(f"the mirror {without_credentials(mirror)} is neither a folder nor an http address")
    return root / folder / name


def _fill(file: IO[bytes], part: Path, asset: Asset, source: Path | str) -> None:
    """Fill a partial file and check its digest. On failure it is kept if it can be continued, and deleted otherwise."""
    try:
        if isinstance(source, Path):
            _copy(source, file, asset)
        else:
            _check_free_space(part, asset)
            download(source, file, asset.name, most_bytes(asset))
        file.flush()
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _cannot_write(part, error) from error
    except EvalHarnessError:
        if not file.tell():
            part.unlink()
        raise
    if not has_published_digest(part, asset):
        mismatch = _wrong_digest(part, asset, source)
        part.unlink()
        raise mismatch


def _wrong_digest(part: Path, asset: Asset, source: Path | str) -> WeightsError:
    if asset.sha256:
        kind, expected, actual = "SHA-256", asset.sha256, file_digest(part)
    else:
        kind, expected, actual = "git SHA-1", asset.git_sha1, blob_digest(part)
    return WeightsError(
        f"{_printable(source)} is not the published file: its {kind} ({part.stat().st_size} bytes) begins with "
        f"{actual[:12]}, not with {expected[:12]}; it was deleted, try again or use another --mirror"
    )


def _printable(source: Path | str) -> str:
    return str(source) if isinstance(source, Path) else without_credentials(source)


def _copy(source: Path, file: IO[bytes], asset: Asset) -> None:
    try:
        original = open_regular(source)
    except OSError as error:
        raise ConfigError(f"the mirror lacks {source}: {error.strerror}") from None
    most = most_bytes(asset)
    with original:
        if most is not None and os.fstat(original.fileno()).st_size > most:
            raise ConfigError(f"{source} is larger than the {asset.size} bytes that are announced")
        _empty(file)
        shutil.copyfileobj(original, file, COPY_CHUNK)


def most_bytes(asset: Asset) -> int | None:
    """Bytes of a file above which it cannot be the published one; sizes may be announced in round numbers."""
    return None if asset.size is None else asset.size + asset.size // 100 + SLACK


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


@contextmanager
def _exclusive(part: Path) -> Iterator[IO[bytes]]:
    """Open a partial file at its end, and prevent other processes from writing it at the same time."""
    lock_path = part.with_name(f".{part.name}.lock")
    try:
        lock = lock_file(lock_path)
    except LockedError as error:
        raise EvalHarnessError(f"{part} is being fetched by another process (pid {error.pid}); wait for it") from None
    except OSError as error:
        raise _cannot_write(part, error) from error
    try:
        with _open_or_create(part) as file:
            file.seek(0, os.SEEK_END)
            yield file
    finally:
        lock_path.unlink(missing_ok=True)
        lock.release()


def _open_or_create(part: Path) -> IO[bytes]:
    try:
        return open(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b")  # noqa: PTH123
    except OSError as error:
        raise _cannot_write(part, error) from error


def _check_free_space(part: Path, asset: Asset) -> None:
    """Raise EvalHarnessError if the disk is too full, before a long download rather than after it."""
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
