"""The one place that writes to the terminal.

Text may come from anywhere: file names, categories, replies. No control character of it reaches a terminal, a character
that the terminal's encoding lacks is written as an escape, and a standard error that is closed or full ends no run.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

from evalharness._util.text import printable

KEPT = "\n\t"
CLEAR_SCREEN = "\x1b[2J\x1b[H"


def prepare() -> None:
    """Make the standard streams safe to write to; call it once, before any file is opened.

    A closed stream is opened on the null device: else the next file, perhaps a database, would get its number, and all
    that a library writes to its standard error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    sys.stdout = _safe(sys.stdout)
    sys.stderr = _safe(sys.stderr)


def _safe(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed before Python started
        return Path(os.devnull).open("w", encoding="utf-8")
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def clean(text: str) -> str:
    """Text without control characters, those that change the direction of writing included."""
    return printable(text, KEPT)


def write(text: str) -> None:
    """Write lines to standard output, at once.

    Raises:
        OSError: it is full, or its reader is gone.
    """
    sys.stdout.write(f"{clean(text)}\n")
    sys.stdout.flush()


def write_data(text: str) -> None:
    """Write the contents of a file to standard output: as UTF-8 and unchanged, unless a terminal shows it.

    Raises:
        OSError: it is full, or its reader is gone.
    """
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        sys.stdout.write(clean(text) if sys.stdout.isatty() else text)
    else:
        sys.stdout.flush()
        buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.flush()


def write_error(text: str) -> None:
    """Write lines to standard error, if it can be written to."""
    with contextlib.suppress(OSError, ValueError):  # full, or closed by somebody else
        sys.stderr.write(f"{clean(text)}\n")
        sys.stderr.flush()


def drop_unwritten() -> None:
    """Drop what a stream that is full or closed did not take: Python would fail to flush it at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def clear_screen() -> None:
    """Clear the screen if standard output is one."""
    if sys.stdout.isatty():
        sys.stdout.write(CLEAR_SCREEN)
