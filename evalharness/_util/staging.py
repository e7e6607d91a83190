"""Folders that are made beside their place and then take it, and what is left of them when a process is killed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
ASIDE = "_old"
"""Ends the name of the old folder for the moment in which neither has the place, where they cannot be exchanged."""
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


@contextlib.contextmanager
def workspace(place: Path, rescue: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """An empty folder beside ``place``, which is locked, and removed at the end if it is still there.

    What processes that were killed left beside ``place`` is removed before.

    Args:
        place: What will be made; its parent exists.
        rescue: Takes out of such a folder what must not be lost.

    Raises:
        OSError: The parent cannot be written.
    """
    prefix = f".{place.name}.new-"
    for folder in place.parent.iterdir():
        if re.fullmatch(re.escape(prefix) + r"\w+", folder.name) and folder.is_dir():
            with contextlib.suppress(OSError), folder_lock(folder, wait=False):
                if rescue is not None:
                    rescue(folder)
                shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
    try:
        with folder_lock(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def folder_lock(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder, which leaves no file.

    Raises:
        BlockingIOError: Another process holds it, and ``wait`` is false.
    """
    while True:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(
                os.fstat(descriptor), folder.stat()
            ):  # while we waited, another may have taken its place
                yield
                return
        finally:
            os.close(descriptor)


def exchange(folder: Path, place: Path) -> None:
    """Let two folders change their places, at once where the file system can do that.

    Raises:
        OSError: They cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        if not libc.renameat2(AT_FDCWD, os.fsencode(folder), AT_FDCWD, os.fsencode(place), RENAME_EXCHANGE):
            return
        code = ctypes.get_errno()
        if code not in UNSUPPORTED:
            raise OSError(code, os.strerror(code), str(place))
    aside = folder.with_name(folder.name + ASIDE)
    place.rename(aside)
    folder.rename(place)
    aside.rename(folder)
