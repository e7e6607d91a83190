"""Downloads a file by HTTP, on huggingface_hub's client: it retries, and continues what broke off."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from evalharness.errors import EvalHarnessError

HUB = "https://huggingface.co/"


def download(url: str, file: IO[bytes], name: str) -> None:
    """Append to ``file``, which stands at its end, what of ``url`` it does not hold yet.

    Raises:
        EvalHarnessError: the server has no such file, or cannot be reached; what came so far is in the file.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    url = _address(url)
    try:
        with _silent():
            _get(url, file, name)
    except OfflineModeIsEnabled as error:
        offline = "HF_HUB_OFFLINE is set; unset it or use --mirror"
        raise EvalHarnessError(f"cannot download {shown(url)}: {offline}") from error
    except HfHubHTTPError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise EvalHarnessError(f"{shown(url)}: {status}; use a --mirror that has the file") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _broken_off(url, error) from error
    except OSError as error:
        if error.errno is not None:  # of the disk; the client's own complaint about a length has none
            raise
        raise _broken_off(url, error) from error


def fetch_text(url: str, most: int) -> bytes | None:
    """A small file; ``None`` if the server has none.

    Raises:
        EvalHarnessError: it cannot be reached, answers with an error, or the file has more than ``most`` bytes.
    """
    import httpx2

    try:
        with httpx2.stream("GET", url, follow_redirects=True, timeout=30) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            response.raise_for_status()
            found = b""
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) > most:
                    raise EvalHarnessError(f"{shown(url)} has more than {most} bytes")
            return found
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _broken_off(url, error) from error


def _get(url: str, file: IO[bytes], name: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get

    options: dict[str, Any] = {
        "headers": {"Accept-Encoding": "identity"},  # else a range would be one of compressed bytes
        "displayed_filename": name,
        "tqdm_class": None if sys.stderr.isatty() else Lines,
    }
    try:
        http_get(url, file, resume_size=file.tell(), **options)  # type: ignore[arg-type]
    except HfHubHTTPError as error:
        if error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # As much lies here as the server has, or more, and it was not the right file.
        file.seek(0)
        file.truncate()
        http_get(url, file, **options)  # type: ignore[arg-type]


def _broken_off(url: str, error: Exception) -> EvalHarnessError:
    what = " ".join(str(error).split()) or type(error).__name__
    return EvalHarnessError(f"cannot download {shown(url)}: {what}; run the command again to continue, or use --mirror")


def shown(url: str) -> str:
    """An address as it may be printed: without a user's name and password.

    >>> shown("https://me:secret@example.org/a")
    'https://example.org/a'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _address(url: str) -> str:
    """``HF_ENDPOINT`` stands for a mirror of the whole hub; the digest is checked wherever a file came from."""
    endpoint = os.environ.get("HF_ENDPOINT")
    return f"{endpoint.rstrip('/')}/{url.removeprefix(HUB)}" if endpoint and url.startswith(HUB) else url


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the client's log messages: an error of its last try is the one that counts."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


class Lines:
    """Stands in for a progress bar where there is no terminal: a line every ten seconds."""

    interval = 10.0

    def __init__(self, *, desc: str = "", total: int | None = None, initial: int = 0, **_: Any) -> None:
        self.name, self.total, self.done = desc, total, initial
        self.last = time.monotonic()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def update(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.last >= self.interval:
            self.last = time.monotonic()
            of = f" of {self.total / 1e6:.0f}" if self.total else ""
            sys.stderr.write(f"{self.name}: {self.done / 1e6:.0f}{of} MB\n")
            sys.stderr.flush()
