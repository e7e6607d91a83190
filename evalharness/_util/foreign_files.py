"""One answer to whatever a library raises at a file that another program or an accident has written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalharness._util.text import one_line
from evalharness.errors import ConfigError

ERRORS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What readers raise at contents that they do not expect. The program's own errors are none of these."""
MAX_REASON = 200


@contextmanager
def foreign(path: Path, kind: str, *more: type[Exception]) -> Iterator[None]:
    """Turn the errors of reading a file into one that names it.

    Args:
        path: The file.
        kind: What it should be, with its article.
        more: Errors of the library that reads it, besides :data:`ERRORS`.

    Raises:
        ConfigError: The block raised one of these.
    """
    caught: tuple[type[Exception], ...] = (*ERRORS, *more)
    try:
        yield
    except caught as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise ConfigError(f"{path} is not {kind} that can be read: {one_line(reason, MAX_REASON)}") from error
