"""Reads files that users or other programs name: regular files only, and below a size.

A device or a pipe would be read for ever, or until the memory is full. The limits are set by the environment variables
``EVALHARNESS_MAX_FILE_MB`` and ``EVALHARNESS_MAX_MEGAPIXELS``.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from evalharness.errors import ConfigError

FILE_MB, MEGAPIXELS = "EVALHARNESS_MAX_FILE_MB", "EVALHARNESS_MAX_MEGAPIXELS"
_DEFAULTS = {FILE_MB: 512, MEGAPIXELS: 64}


def limit(name: str) -> int:
    """A limit in bytes or pixels.

    Raises:
        ConfigError: the environment variable is no positive number.
    """
    text = os.environ.get(name, str(_DEFAULTS[name]))
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) < 1 << 30:
        raise ConfigError(f"{name} must be a whole number above 0, got {text!r}")
    return int(text) * 1_000_000


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read it.

    Raises:
        OSError: it cannot be opened, or is no regular file; ``strerror`` says which.
    """
    # Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError:  # a NUL character, or one that the file system's encoding lacks
        raise OSError(errno.EINVAL, "no path that a file can have", str(path)) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        OSError: it cannot be read, is no regular file, or is too large; ``strerror`` says which.
    """
    most = limit(FILE_MB)
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most // 1_000_000} MB; {FILE_MB} allows more", str(path))
    return data


def read_regular_text(path: Path, encoding: str = "utf-8") -> str:
    """Read a whole text, with the newlines of Python.

    Raises:
        OSError: as :func:`read_regular`.
        UnicodeDecodeError: it is no text of this encoding.
    """
    return read_regular(path).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def require_text(path: Path) -> str:
    """Read a UTF-8 text that a user names, with or without a byte order mark.

    Raises:
        ConfigError: it cannot be read, or is no such text.
    """
    try:
        return read_regular_text(path, "utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text at byte {error.start}") from None
